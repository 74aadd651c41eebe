package parser_test

import (
	"fmt"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/parser"
)

// The payload of an event is encoded first, then the packet that carries it.
func ExampleDefault_Append() {
	type file struct {
		Name    string `json:"name"`
		Content []byte `json:"content"`
	}
	var coder parser.Coder
	data, attachments, err := coder.AppendEvent(nil, "upload", file{"a.txt", []byte("hello")})
	if err != nil {
		fmt.Println(err)
		return
	}
	var p parser.Default
	text, _, err := p.Append(nil, &adapter.Packet{
		Type: adapter.Event, Namespace: "/files", Data: data, Attachments: attachments, ID: 7, HasID: true,
	})
	fmt.Println(string(text), err)
	for _, a := range attachments {
		fmt.Println(string(a))
	}
	// Output:
	// 51-/files,7["upload",{"name":"a.txt","content":{"_placeholder":true,"num":0}}] <nil>
	// hello
}

// A packet is complete when its attachments have come; its arguments are decoded
// one by one.
func ExampleDefault_Decode() {
	var (
		p      parser.Default
		coder  parser.Coder
		state  parser.State // one for each connection
		packet adapter.Packet
	)
	complete, err := p.Decode(&state, []byte(`51-["upload","a.txt",{"_placeholder":true,"num":0}]`), false, &packet)
	fmt.Println(complete, err)
	complete, err = p.Decode(&state, []byte("hello"), true, &packet)
	fmt.Println(complete, err)

	args, err := parser.SplitArgs(packet.Data, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var name string
	var content []byte
	err = coder.Decode(args[1], packet.Attachments, &name)
	fmt.Println(string(parser.EventName(args[0])), name, err)
	err = coder.Decode(args[2], packet.Attachments, &content)
	fmt.Println(string(content), err)
	// Output:
	// false <nil>
	// true <nil>
	// upload a.txt <nil>
	// hello <nil>
}
