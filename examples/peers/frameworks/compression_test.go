package frameworks

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio"
)

// The answer to a poll has one layer of compression, and a small one at most one, whatever stands around the server.
func TestAnswersOfPollsHaveOneLayerOfCompression(t *testing.T) {
	for name, mount := range compressing {
		t.Run(name, func(t *testing.T) {
			checkLayers(t, serve(t, socketio.Options{}, mount).url)
		})
	}
}

// checkLayers polls for texts of two sizes and reads the answers as they are declared.
func checkLayers(t *testing.T, url string) {
	t.Helper()
	for _, size := range []int{10, 3000} {
		sid := openPolling(t, url)
		query := url + "/socket.io/?EIO=4&transport=polling&sid=" + sid
		request(t, "POST", query, "40")
		poll(t, query, false) // the answer to CONNECT
		request(t, "POST", query, fmt.Sprintf(`420["give",%d]`, size))
		if got, want := poll(t, query, size > 1024), `430["`+strings.Repeat("x", size)+`"]`; got != want {
			t.Errorf("%d bytes: got %.40q, want %.40q", size, got, want)
		}
		request(t, "POST", query, "1")
	}
}

// openPolling opens a session and returns its id.
func openPolling(t *testing.T, url string) string {
	t.Helper()
	open := poll(t, url+"/socket.io/?EIO=4&transport=polling", false)
	_, rest, _ := strings.Cut(open, `"sid":"`)
	sid, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("the answer to the handshake is %q", open)
	}
	return sid
}

// poll returns the text of an answer. It undoes the one layer that is declared, which a large answer must have.
func poll(t *testing.T, url string, large bool) string {
	t.Helper()
	header, body := request(t, "GET", url, "", "Accept-Encoding", "gzip")
	switch encodings := header.Values("Content-Encoding"); {
	case len(encodings) == 0 && !large:
		return string(body)
	case len(encodings) != 1 || encodings[0] != "gzip":
		t.Fatalf("Content-Encoding %q", encodings)
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%.40q: %v", body, err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A browser, which accepts compressed answers, reads what is sent to it.
func TestBrowserPollsThroughCompression(t *testing.T) {
	node := peers.Node(t)
	node.Eval(t, nil, `ctx.browser = await browser()`)
	client := filepath.Join(peers.NodeDir(t), "node_modules", "socket.io-client", "dist", "socket.io.min.js")
	for name, mount := range compressing {
		t.Run(name, func(t *testing.T) {
			s := serve(t, socketio.Options{}, mount)
			var got []int
			node.Eval(t, &got, `
				const page = await ctx.browser.newPage();
				await page.goto(args[0]).catch(() => {});
				await page.addScriptTag({ path: args[1] });
				const lengths = await page.evaluate(async () => {
					const socket = io({ transports: ["polling"], reconnection: false });
					const lengths = [];
					for (const n of [10, 3000]) lengths.push((await socket.timeout(5000).emitWithAck("give", n)).length);
					socket.disconnect();
					return lengths;
				});
				await page.close();
				return lengths;`, s.url, client)
			if len(got) != 2 || got[0] != 10 || got[1] != 3000 {
				t.Errorf("the page got texts of %v bytes, want 10 and 3000", got)
			}
		})
	}
}
