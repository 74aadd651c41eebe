// Package parser turns Socket.IO packets into messages of the connection below,
// and back.
//
// A [Parser] deals in whole packets whose payload stays encoded: it never
// builds the values of the arguments. [Default] is the parser of every stock
// client: JSON in a text message, followed by one binary message for each
// binary value. What a connection has half received is kept in a [State], so
// that a parser itself can be shared by all connections.
//
// A [Coder] goes the other way into the payload: it encodes Go values into JSON
// and attachments, and decodes single arguments into Go values. [SplitArgs] and
// [EventName] take a payload apart without decoding it.
//
// The format is that of the [Socket.IO protocol], revision 5.
//
// [Socket.IO protocol]: https://socket.io/docs/v4/socket-io-protocol/#packet-encoding
package parser
