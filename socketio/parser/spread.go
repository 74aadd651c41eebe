package parser

import "reflect"

// ArgsMarshaler is implemented by types that stand for several arguments, or for none.
type ArgsMarshaler interface {
	MarshalArgs() []any
}

var argsMarshalerType = reflect.TypeFor[ArgsMarshaler]()

// spread returns the arguments that a sole one stands for.
func spread(args []any) []any {
	if len(args) != 1 {
		return args
	}
	m, ok := args[0].(ArgsMarshaler)
	if !ok {
		return args
	}
	if v := reflect.ValueOf(m); v.Kind() == reflect.Pointer && v.IsNil() {
		return args // which is an error: it stands for nothing that could be sent
	}
	return m.MarshalArgs()
}

// holdsArgs reports whether values of type t, or of those that they are made of, stand
// for several arguments and have no JSON of their own.
func holdsArgs(t reflect.Type, within []reflect.Type) bool {
	if implements(t, marshalerType) || implements(t, textMarshalerType) {
		return false
	}
	return t.Kind() != reflect.Interface && implements(t, argsMarshalerType) || holdsElem(t, within, holdsArgs)
}
