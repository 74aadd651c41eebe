package redisadapter

import (
	"context"
	"encoding/json"

	"github.com/tandem-go/tandem/adapter"
)

var _ adapter.RoomLister = (*classic)(nil)

// AllRooms returns the rooms of the local sockets, and asks the other nodes for theirs.
func (c *classic) AllRooms(ctx context.Context) ([]string, error) {
	rooms := c.LocalRooms()
	seen := make(map[string]struct{}, len(rooms))
	for _, room := range rooms {
		seen[room] = struct{}{}
	}
	for r, err := range c.ask(ctx, "all rooms", request{Type: typeAllRooms}) {
		if err != nil {
			return rooms, err
		}
		more, err := readRoomNames(r.rooms)
		if err != nil {
			c.link.log.report(troubleResponse, 1, err, "namespace", c.host.Namespace())
		}
		for _, room := range more {
			if _, ok := seen[room]; !ok {
				seen[room] = struct{}{}
				rooms = append(rooms, room)
			}
		}
	}
	return rooms, nil
}

// readRoomNames reads the names in a response, of which some may be numbers.
func readRoomNames(v value) ([]string, error) {
	data, err := v.json()
	if err != nil || data == nil {
		return nil, errMalformed
	}
	var list roomList
	if json.Unmarshal(data, &list) != nil {
		return nil, errMalformed
	}
	return list, nil
}
