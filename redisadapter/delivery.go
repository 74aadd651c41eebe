package redisadapter

import (
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// exec publishes the batch in one round trip. On an error, which is trouble with
// the connection, it returns the messages that have certainly not been
// published; the others are settled.
func (p *publisher) exec(batch []message) ([]message, error) {
	pipe := p.conn.Pipeline()
	cmds := make([]publishCmd, len(batch))
	bodies := make([]body, len(batch))
	for i, m := range batch {
		bodies[i].data = m.payload
		cmds[i] = publishCmd{IntCmd: redis.NewIntCmd(p.ctx, "publish", m.channel, &bodies[i]), body: &bodies[i]}
		cmds[i].SetVal(unanswered)
		_ = pipe.Process(p.ctx, cmds[i]) // it is only queued
	}
	_, err := pipe.Exec(p.ctx)
	if err != nil && !isReply(err) {
		p.outages.began(err) // so that what is lost now is lost in it
	}
	unsent, trouble := p.sort(batch, cmds, err)
	if trouble != nil {
		return unsent, p.broken(trouble)
	}
	p.used, p.fresh, p.through = time.Now(), false, p.seen
	return nil, nil
}

// unanswered is the number of receivers as long as Redis has not told it. That a
// command has no error does not say that it has been executed: the Redis client may have
// failed before it came to it.
const unanswered = -1

// sort tells what has become of the messages of a batch.
func (p *publisher) sort(batch []message, cmds []publishCmd, all error) (unsent []message, trouble error) {
	unsent = batch[:0]
	for i, m := range batch {
		err := cmds[i].Err()
		switch {
		case err == nil && cmds[i].Val() == 0 && p.listening.hears(m.echo):
			p.sure = false
			p.outages.began(errUnheard)
			p.settle(m, &UnavailableError{Err: errUnheard}, unheard)
			continue
		case err == nil && cmds[i].Val() != unanswered:
			p.published(m)
			continue
		case err == nil:
			if err = all; err == nil {
				err = errNoReply
			}
		}
		if isReply(err) && cmds[i].body.written && !notNow(err) {
			p.settle(m, err, failed) // Redis has refused it
			continue
		}
		trouble = err
		if notSent(err, cmds[i].body.written) {
			unsent = append(unsent, m)
		} else {
			p.settle(m, &UnavailableError{Err: err}, unknown)
		}
	}
	return unsent, trouble
}

var (
	errUnheard = errors.New("nobody listened, not even this node")
	errNoReply = errors.New("redis has not answered")
)

// isReply tells that an error is what Redis has answered.
func isReply(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// notNow tells that Redis has refused a command for a reason that passes, as that of a
// password does which is being changed.
func notNow(err error) bool {
	for _, prefix := range []string{"LOADING ", "CLUSTERDOWN ", "MASTERDOWN ", "TRYAGAIN ", "BUSY ", "NOAUTH ", "WRONGPASS ", "DENIED "} {
		if strings.HasPrefix(err.Error(), prefix) {
			return true
		}
	}
	return false
}

// notSent tells that a command that failed has certainly not been executed, and may be
// tried again.
func notSent(err error, written bool) bool { return notNow(err) || !written }

// publishCmd is a PUBLISH that is never repeated: it is unknown whether a command
// whose answer is missing has been executed, and a broadcast must not arrive
// twice.
type publishCmd struct {
	*redis.IntCmd
	body *body
}

// body is a payload that knows whether the Redis client has begun to write it. Until
// then, whatever went wrong, it has certainly not been published.
type body struct {
	data    []byte
	written bool
}

// MarshalBinary is what the Redis client writes.
func (b *body) MarshalBinary() ([]byte, error) {
	b.written = true
	return b.data, nil
}

// NoRetry keeps the Redis client from repeating the command.
func (publishCmd) NoRetry() bool { return true }
