package main

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

const answerBytes = 8 << 20

// What an entry is expected to be, beside an ETag.
const (
	anything = ""
	absent   = "absent"
	present  = "*"
)

type entry struct {
	key       string
	value     *envelope
	revision  int64
	etag      string
	digest    string
	updatedAt string
	place     int64 // the revision that created it: the order of listings, kept when it is replaced
}

// current is what the writer is told whose condition failed.
type current struct {
	Revision  int64             `json:"revision"`
	ETag      string            `json:"etag"`
	Digest    string            `json:"digest"`
	Meta      map[string]string `json:"meta,omitzero"`
	Signature string            `json:"signature,omitempty"`
}

func (e *entry) current() *current {
	if e == nil {
		return nil
	}
	return &current{e.revision, e.etag, e.digest, e.value.Meta, e.value.Signature}
}

func (e *entry) answer() map[string]any {
	return map[string]any{
		"value": e.value, "revision": e.revision, "etag": e.etag, "digest": e.digest, "updated_at": e.updatedAt,
	}
}

// space is a namespace. Whoever calls its methods holds the registry's lock.
type space struct {
	epoch   string
	head    int64
	entries map[string]*entry
	order   []*entry // by place
}

func (s *space) cursor() string { return fmt.Sprintf("%s.%d", s.epoch, s.head) }

// holds tells whether the entry is as expected.
func (s *space) holds(key, expect string) bool {
	found := s.entries[key]
	switch {
	case expect == anything:
		return true
	case found == nil:
		return expect == absent
	}
	return expect == present || expect == found.etag
}

// put stores the value. One equal in every field is unchanged, and takes no revision.
func (s *space) put(key string, value *envelope) (string, *entry) {
	old := s.entries[key]
	if old != nil && old.value.equals(value) {
		return "unchanged", old
	}
	s.head++
	made := &entry{
		key: key, value: value, revision: s.head, etag: s.cursor(), digest: value.digest(), updatedAt: now(),
		place: s.head,
	}
	if old == nil {
		s.order = append(s.order, made)
	} else {
		made.place = old.place
		s.order[s.index(old.place)] = made
	}
	s.entries[key] = made
	if old == nil {
		return "created", made
	}
	return "replaced", made
}

func (e *envelope) equals(other *envelope) bool {
	return e.Type == other.Type && e.Data == other.Data && e.Encoding == other.Encoding &&
		e.Signature == other.Signature && (e.Meta == nil) == (other.Meta == nil) && maps.Equal(e.Meta, other.Meta)
}

// remove is the revision of the removal of a key that is there.
func (s *space) remove(key string) int64 {
	i := s.index(s.entries[key].place)
	s.order = slices.Delete(s.order, i, i+1)
	delete(s.entries, key)
	s.head++
	return s.head
}

// clear removes all entries in one change, and is their number; of none there is no change.
func (s *space) clear() int {
	count := len(s.order)
	if count > 0 {
		s.order = nil
		clear(s.entries)
		s.head++
	}
	return count
}

// index is where the first entry lies that has the place or a later one.
func (s *space) index(place int64) int {
	i, _ := slices.BinarySearchFunc(s.order, place, func(e *entry, place int64) int { return int(e.place - place) })
	return i
}

func (s *space) after(place int64, prefix string) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, e := range s.order[s.index(place+1):] {
			if strings.HasPrefix(e.key, prefix) && !yield(e) {
				return
			}
		}
	}
}

// page is the first of the entries, and whether more follow. Whole entries stop before 8 MiB, but after one at least.
func page(entries iter.Seq[*entry], limit int, whole bool) ([]*entry, bool) {
	found := []*entry{}
	size := 0
	for e := range entries {
		if whole {
			size += len(e.value.Data)
		}
		if len(found) == limit || len(found) > 0 && size > answerBytes {
			return found, true
		}
		found = append(found, e)
	}
	return found, false
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }
