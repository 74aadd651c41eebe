package parser

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// typeCache remembers what has been found out about types. There are as many
// entries as the program has types that it sends.
type typeCache struct {
	m sync.Map // of reflect.Type to *typeInfo
}

// typeInfo says where values of a type can have binary values in them.
type typeInfo struct {
	binary bool    // they can
	fields []field // of a struct: the fields that can
	copied [][]int // of a struct: all the fields that a codec may see

	// hidden is set for a struct with fields that a codec sees and reflection
	// cannot set. Such a struct is copied as a whole.
	hidden bool
	// args is set if some value in it stands for several arguments.
	args bool
	// custom is set if some value in it may decode itself.
	custom bool
}

// field is a field of a struct.
type field struct {
	index     []int
	omitEmpty bool
}

// The types that encode and decode themselves.
var (
	marshalerType       = reflect.TypeFor[json.Marshaler]()
	textMarshalerType   = reflect.TypeFor[encoding.TextMarshaler]()
	unmarshalerType     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
	rawMessageType      = reflect.TypeFor[json.RawMessage]()
)

// info returns what there is to know about the type.
func (c *typeCache) info(t reflect.Type) *typeInfo {
	if cached, ok := c.m.Load(t); ok {
		if info, ok := cached.(*typeInfo); ok {
			return info
		}
	}
	info := &typeInfo{
		binary: holdsBinary(t, nil),
		custom: decodesItself(t, nil),
		args:   holdsArgs(t, nil),
	}
	if info.binary && t.Kind() == reflect.Struct {
		info.addFields(t, nil)
	}
	c.m.Store(t, info)
	return info
}

// addFields adds the fields of the struct type t, which is found at index.
func (info *typeInfo) addFields(t reflect.Type, index []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clone(index), i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Tag.Get("json") == "-":
		case f.IsExported():
			info.copied = append(info.copied, at)
			if holdsBinary(f.Type, nil) {
				omitEmpty := slices.Contains(strings.Split(options, ","), "omitempty")
				info.fields = append(info.fields, field{at, omitEmpty})
			}
		case f.Anonymous && f.Type.Kind() == reflect.Struct && name == "":
			info.addFields(f.Type, at) // its exported fields can be set
		case f.Anonymous:
			info.hidden = true
		}
	}
}

// holdsBinary reports whether a codec can meet a []byte in values of type t.
// within are the types that the question has led through, which are not asked
// again.
func holdsBinary(t reflect.Type, within []reflect.Type) bool {
	if implements(t, marshalerType) || implements(t, textMarshalerType) {
		return false
	}
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Slice:
		if isBytes(t) {
			return true
		}
		return holdsElem(t, within, holdsBinary)
	case reflect.Array, reflect.Map, reflect.Pointer, reflect.Struct:
		return holdsElem(t, within, holdsBinary)
	default:
		return false
	}
}

// decodesItself reports whether there can be something in values of type t that
// has its own way to be decoded.
func decodesItself(t reflect.Type, within []reflect.Type) bool {
	if t == rawMessageType {
		return false
	}
	if implements(t, unmarshalerType) || implements(t, textUnmarshalerType) {
		return true
	}
	return holdsElem(t, within, decodesItself)
}

// holdsElem asks the question about the types that values of type t are made of.
func holdsElem(t reflect.Type, within []reflect.Type, holds func(reflect.Type, []reflect.Type) bool) bool {
	if t.Name() != "" { // only a type with a name can contain itself
		if slices.Contains(within, t) {
			return false
		}
		within = append(slices.Clip(within), t)
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Pointer:
		return holds(t.Elem(), within)
	case reflect.Struct:
		for f := range t.Fields() {
			if (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-" && holds(f.Type, within) {
				return true
			}
		}
	default:
	}
	return false
}

// implements reports whether t or *t has the method of the interface.
func implements(t, method reflect.Type) bool {
	return t.Implements(method) || t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(method)
}

// isBytes reports whether codecs take values of type t for bytes, not for a
// list of numbers.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 &&
		!implements(t.Elem(), marshalerType) && !implements(t.Elem(), textMarshalerType)
}
