// Package siotest helps to test code that uses package socketio, as
// net/http/httptest helps with HTTP: [Connect] connects a client to a server in
// memory, without a port, a browser or Node.js. It works inside
// [testing/synctest] bubbles too.
//
// The client speaks the real protocol over an in-memory WebSocket, in the default
// packet format. What it receives is read with [Client.Receive], one event after
// another, or with the function [Receive], which decodes one and skips others. The client is a
// [socketio.Emitter] and a [socketio.Caller], so what declares an event for the server
// ([socketio.EventOf], [socketio.CallOf]) emits it from the client as well.
//
// [New] makes a server for one test, with clients that are closed at its end.
package siotest
