package parser

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// extractor takes the binary values out of an argument: in a copy of it they
// are replaced by the bytes of markers. What holds none is not copied, and what
// the caller has passed is never written to.
type extractor struct {
	types  *typeCache
	marker marker
	values [][]byte // what the markers stand for, by number
}

// extract returns the argument, or the copy if there are binary values in it.
func (x *extractor) extract(arg any) (any, error) {
	marked, changed, err := x.any(arg, 0)
	if err != nil || !changed {
		return arg, err
	}
	return marked, nil
}

// mark returns the bytes that stand for b.
func (x *extractor) mark(b []byte) ([]byte, error) {
	if len(x.values) == maxMarked {
		return nil, fmt.Errorf("%w: more than %d", ErrTooManyAttachments, maxMarked)
	}
	if x.values == nil {
		x.marker = newMarker()
	}
	x.values = append(x.values, b)
	return x.marker.bytes(len(x.values) - 1), nil
}

// any handles a value of a type that is known only now. The usual types of
// decoded JSON need no reflection.
func (x *extractor) any(v any, depth int) (marked any, changed bool, err error) {
	if depth > MaxDepth {
		return nil, false, ErrDepth // most likely it contains itself
	}
	switch v := v.(type) {
	case nil, bool, string, float64, int, int64, json.Number, json.RawMessage:
		return v, false, nil
	case []byte:
		if v == nil {
			return nil, false, nil // as it was
		}
		marked, err = x.mark(v)
		return marked, true, err
	case []any:
		return x.slice(v, depth)
	case map[string]any:
		return x.object(v, depth)
	}
	value := reflect.ValueOf(v)
	info := x.types.info(value.Type())
	if info.args {
		return nil, false, fmt.Errorf("%w: %s", ErrNestedArgs, value.Type())
	}
	if !info.binary {
		return v, false, nil
	}
	if value, changed, err = x.value(value, depth); err != nil || !changed {
		return v, false, err
	}
	return value.Interface(), true, nil
}

func (x *extractor) slice(s []any, depth int) (marked any, changed bool, err error) {
	copied := s
	for i, elem := range s {
		elem, elemChanged, err := x.any(elem, depth+1)
		if err != nil {
			return nil, false, err
		}
		if !elemChanged {
			continue
		}
		if !changed {
			copied, changed = slices.Clone(s), true
		}
		copied[i] = elem
	}
	return copied, changed, nil
}

func (x *extractor) object(m map[string]any, depth int) (marked any, changed bool, err error) {
	copied := m
	for key, elem := range m {
		elem, elemChanged, err := x.any(elem, depth+1)
		if err != nil {
			return nil, false, err
		}
		if !elemChanged {
			continue
		}
		if !changed {
			copied, changed = maps.Clone(m), true
		}
		copied[key] = elem
	}
	return copied, changed, nil
}

// value handles a value whose type can have binary values in it. The result
// has the same type, except that of an interface is what is in it.
func (x *extractor) value(v reflect.Value, depth int) (marked reflect.Value, changed bool, err error) {
	if depth > MaxDepth {
		return v, false, ErrDepth
	}
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			return v, false, nil
		}
		elem, changed, err := x.any(v.Interface(), depth)
		return reflect.ValueOf(elem), changed, err
	case reflect.Pointer:
		return x.pointer(v, depth)
	case reflect.Slice, reflect.Array:
		return x.list(v, depth)
	case reflect.Map:
		return x.mapping(v, depth)
	case reflect.Struct:
		return x.structure(v, depth)
	default:
		return v, false, nil
	}
}

func (x *extractor) pointer(v reflect.Value, depth int) (reflect.Value, bool, error) {
	if v.IsNil() || !x.types.info(v.Type().Elem()).binary {
		return v, false, nil
	}
	elem, changed, err := x.value(v.Elem(), depth+1)
	if err != nil || !changed {
		return v, false, err
	}
	copied := reflect.New(v.Type().Elem())
	copied.Elem().Set(elem)
	return copied.Convert(v.Type()), true, nil
}

func (x *extractor) list(v reflect.Value, depth int) (reflect.Value, bool, error) {
	if isBytes(v.Type()) {
		if v.IsNil() {
			return v, false, nil
		}
		b, err := x.mark(v.Bytes())
		return reflect.ValueOf(b).Convert(v.Type()), true, err
	}
	if !x.types.info(v.Type().Elem()).binary {
		return v, false, nil
	}
	copied, changed := v, false
	for i := range v.Len() {
		elem, elemChanged, err := x.value(v.Index(i), depth+1)
		if err != nil {
			return v, false, err
		}
		if !elemChanged {
			continue
		}
		if !changed {
			copied, changed = cloneList(v), true
		}
		copied.Index(i).Set(elem)
	}
	return copied, changed, nil
}

// cloneList returns a copy of a slice or an array.
func cloneList(v reflect.Value) reflect.Value {
	copied := reflect.New(v.Type()).Elem()
	if v.Kind() == reflect.Slice {
		copied.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
	}
	reflect.Copy(copied, v)
	return copied
}

func (x *extractor) mapping(v reflect.Value, depth int) (reflect.Value, bool, error) {
	if !x.types.info(v.Type().Elem()).binary {
		return v, false, nil
	}
	copied, changed := v, false
	for iter := v.MapRange(); iter.Next(); {
		elem, elemChanged, err := x.value(iter.Value(), depth+1)
		if err != nil {
			return v, false, err
		}
		if !elemChanged {
			continue
		}
		if !changed {
			copied, changed = cloneMap(v), true
		}
		copied.SetMapIndex(iter.Key(), elem)
	}
	return copied, changed, nil
}

// cloneMap returns a copy of a map.
func cloneMap(v reflect.Value) reflect.Value {
	copied := reflect.MakeMapWithSize(v.Type(), v.Len())
	for iter := v.MapRange(); iter.Next(); {
		copied.SetMapIndex(iter.Key(), iter.Value())
	}
	return copied
}

func (x *extractor) structure(v reflect.Value, depth int) (reflect.Value, bool, error) {
	info := x.types.info(v.Type())
	copied, changed := v, false
	for _, f := range info.fields {
		field := v.FieldByIndex(f.index)
		if f.omitEmpty && isBytes(field.Type()) && field.Len() == 0 {
			continue // a marker would not be omitted
		}
		elem, elemChanged, err := x.value(field, depth+1)
		if err != nil {
			return v, false, err
		}
		if !elemChanged {
			continue
		}
		if !changed {
			copied, changed = cloneStruct(v, info), true
		}
		copied.FieldByIndex(f.index).Set(elem)
	}
	return copied, changed, nil
}

// cloneStruct returns a copy of the fields of a struct that a codec may see. The
// others are not even read, since other goroutines may be writing to them.
func cloneStruct(v reflect.Value, info *typeInfo) reflect.Value {
	copied := reflect.New(v.Type()).Elem()
	if info.hidden {
		copied.Set(v)
		return copied
	}
	for _, index := range info.copied {
		copied.FieldByIndex(index).Set(v.FieldByIndex(index))
	}
	return copied
}
