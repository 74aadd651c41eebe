package parser

import (
	"encoding/base64"
	"fmt"
	"reflect"
)

// decodeBinary decodes an argument with binary values in it. The codec gets
// markers in their place, which are found again in what it has made of them.
func (c *Coder) decodeBinary(raw []byte, found []placeholder, attachments [][]byte, v any) error {
	if len(found) > maxMarked {
		return fmt.Errorf("%w: %d placeholders", ErrTooManyAttachments, len(found))
	}
	r := restorer{marker: newMarker(), attachments: attachments}
	marked := replacePlaceholders(nil, raw, found, func(dst []byte, num int) []byte {
		r.nums = append(r.nums, num)
		dst = r.marker.appendText(append(dst, '"'), len(r.nums)-1)
		return append(dst, '"')
	})
	r.restored = make([]bool, len(found))

	err := c.unmarshal(marked, v)
	if err == nil {
		r.value(reflect.ValueOf(v), 0)
		if r.err != nil || r.complete() {
			return r.err
		}
	}
	if t := reflect.TypeOf(v); t == nil || !c.types.info(t).custom {
		return err // what has not been restored has not been decoded either
	}
	// Something in v decodes itself and has kept a marker, or has not liked it.
	// It gets what a []byte is in JSON, in the hope that this is what it expects.
	if !fits(found, attachments, len(raw)) {
		return fmt.Errorf("%w: %d placeholders", ErrTooManyAttachments, len(found))
	}
	return c.codec().Unmarshal(replacePlaceholders(nil, raw, found, func(dst []byte, num int) []byte {
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), attachments[num])
		return append(dst, '"')
	}), v)
}

// maxRepeated is how many times as large as what has been received the attachments
// may be when each stands wherever it is named.
const maxRepeated = 4

// fits reports whether the attachments that are named in size bytes of JSON may be
// put there.
func fits(found []placeholder, attachments [][]byte, size int) bool {
	received, named := size, 0
	for _, a := range attachments {
		received += len(a)
	}
	for _, p := range found {
		named += len(attachments[p.num])
	}
	return named <= maxRepeated*received
}

// restorer puts binary values where a codec has left the markers for them.
type restorer struct {
	marker      marker
	attachments [][]byte
	nums        []int  // the attachment that each marker stands for
	restored    []bool // the markers that have been found
	visited     map[visit]struct{}
	err         error
}

// visit is a pointer, a slice or a map that has been followed.
type visit struct {
	pointer uintptr
	length  int // of a slice
	typ     reflect.Type
}

// complete reports whether all the markers have been found.
func (r *restorer) complete() bool {
	for _, ok := range r.restored {
		if !ok {
			return false
		}
	}
	return true
}

// take returns the binary value that a marker stands for.
func (r *restorer) take(marker int) []byte {
	r.restored[marker] = true
	return r.attachments[r.nums[marker]]
}

// number checks the number of a marker that has been found.
func (r *restorer) number(num int, ok bool) (int, bool) { return num, ok && num < len(r.nums) }

// any returns what a value that was decoded into an interface should be.
func (r *restorer) any(v any, depth int) any {
	if depth > 2*MaxDepth {
		return v // deeper than what has been decoded
	}
	switch v := v.(type) {
	case nil, bool, float64:
	case string:
		if num, ok := r.number(r.marker.parse(v)); ok {
			return r.take(num)
		}
	case []any:
		if !r.first(reflect.ValueOf(v)) {
			break
		}
		for i, elem := range v {
			v[i] = r.any(elem, depth+1)
		}
	case map[string]any:
		if !r.first(reflect.ValueOf(v)) {
			break
		}
		for key, elem := range v {
			v[key] = r.any(elem, depth+1)
		}
	default:
		r.value(reflect.ValueOf(v), depth)
	}
	return v
}

// value restores what is in v.
func (r *restorer) value(v reflect.Value, depth int) {
	if depth > 2*MaxDepth {
		return // deeper than what has been decoded
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && r.first(v) {
			r.value(v.Elem(), depth+1)
		}
	case reflect.Interface:
		r.iface(v, depth)
	case reflect.String:
		if _, ok := r.number(r.marker.parse(v.String())); ok {
			r.err = fmt.Errorf("%w: %s", ErrNotBinary, v.Type())
		}
	case reflect.Slice, reflect.Array:
		r.list(v, depth)
	case reflect.Map:
		r.mapping(v, depth)
	case reflect.Struct:
		for i, t := 0, v.Type(); i < t.NumField(); i++ {
			if f := t.Field(i); f.IsExported() || f.Anonymous {
				r.value(v.Field(i), depth+1)
			}
		}
	default:
	}
}

// first reports whether the pointer, slice or map has not been followed before: a
// target may hold what contains itself.
func (r *restorer) first(v reflect.Value) bool {
	key := visit{pointer: v.Pointer(), typ: v.Type()}
	if v.Kind() == reflect.Slice {
		key.length = v.Len()
	}
	if _, ok := r.visited[key]; ok {
		return false
	}
	if r.visited == nil {
		r.visited = make(map[visit]struct{})
	}
	r.visited[key] = struct{}{}
	return true
}

func (r *restorer) iface(v reflect.Value, depth int) {
	if v.IsNil() || !v.CanInterface() {
		return
	}
	restored := r.any(v.Interface(), depth)
	if b, ok := restored.([]byte); ok && v.CanSet() {
		if rb := reflect.ValueOf(b); rb.Type().AssignableTo(v.Type()) {
			v.Set(rb)
		}
	}
}

func (r *restorer) list(v reflect.Value, depth int) {
	switch {
	case v.Type() == rawMessageType:
		if at, num := r.marker.find(v.Bytes()); at >= 0 && num < len(r.nums) {
			r.err = errRawBinary
		}
	case isBytes(v.Type()):
		if num, ok := r.number(r.marker.parseBytes(v.Bytes())); ok && v.CanSet() {
			v.SetBytes(r.take(num))
		}
	case v.Type().Elem().Kind() == reflect.Uint8:
	case v.Kind() == reflect.Array || r.first(v):
		for i := range v.Len() {
			r.value(v.Index(i), depth+1)
		}
	}
}

// mapping restores the elements of a map, which cannot be set in place.
func (r *restorer) mapping(v reflect.Value, depth int) {
	if v.IsNil() || !v.CanInterface() || !r.first(v) {
		return
	}
	elem := reflect.New(v.Type().Elem()).Elem()
	for iter := v.MapRange(); iter.Next(); {
		elem.Set(iter.Value())
		r.value(elem, depth+1)
		v.SetMapIndex(iter.Key(), elem)
	}
}
