package main

import (
	"fmt"
	"net/http"
	"unicode/utf8"
)

const batchEntries = 1000

// part is one entry of a batch.
type part struct {
	key    string
	value  *envelope
	expect string // what it is expected to be, or `unless` on a read
}

// partsOf is the entries of a batch, all of them checked, and whether it is all or nothing.
func partsOf(body any, condition string, withValues bool) ([]part, bool, error) {
	const code = "invalid_body"
	optional := []string{"atomic"}
	if condition == "unless" {
		optional = nil
	}
	object, err := fields(body, "", code, []string{"entries"}, optional...)
	if err != nil {
		return nil, false, err
	}
	entries, is := object["entries"].([]any)
	if !is || len(entries) < 1 || len(entries) > batchEntries {
		return nil, false, malformed(code, "/entries", "it is no list of 1 to 1,000 entries")
	}
	atomic := false
	if given, there := object["atomic"]; there {
		if atomic, is = given.(bool); !is {
			return nil, false, malformed(code, "/atomic", "it is no boolean")
		}
	}
	parts, seen := make([]part, len(entries)), map[string]bool{}
	for i, entry := range entries {
		pointer := fmt.Sprintf("/entries/%d", i)
		if parts[i], err = partOf(entry, pointer, condition, withValues); err != nil {
			return nil, false, err
		}
		if seen[parts[i].key] {
			return nil, false, malformed(code, pointer, "its key comes twice in the batch")
		}
		seen[parts[i].key] = true
	}
	return parts, atomic, nil
}

func partOf(value any, pointer, condition string, withValue bool) (made part, err error) {
	required := []string{"key"}
	if withValue {
		required = append(required, "value")
	}
	object, err := fields(value, pointer, "invalid_body", required, condition)
	if err != nil {
		return made, err
	}
	if given, there := object[condition]; there {
		text, _ := given.(string)
		if count := utf8.RuneCountInString(text); count < 1 || count > 128 {
			return made, malformed("invalid_body", pointer+"/"+condition, "it is no text of 1 to 128 characters")
		}
		made.expect = text
		if text == present {
			made.expect = "no ETag" // in a batch there is no *, and no entry has that ETag
		}
	}
	if made.key, err = keyOf(object["key"], pointer+"/key"); err != nil || !withValue {
		return made, err
	}
	made.value, err = envelopeOf(object["value"], pointer+"/value")
	return made, err
}

func refusal(s *space, key string) map[string]any {
	outcome := map[string]any{"outcome": "refused"}
	if e := s.entries[key]; e != nil {
		outcome["current"] = e.current()
	}
	return outcome
}

// checkAll refuses a batch as a whole, where one of it is not as expected.
func checkAll(s *space, parts []part) error {
	failures := []map[string]any{}
	for i, p := range parts {
		if !s.holds(p.key, p.expect) {
			failure := refusal(s, p.key)
			failure["index"], failure["key"] = i, p.key
			failures = append(failures, failure)
		}
	}
	if len(failures) == 0 {
		return nil
	}
	p := newProblem(http.StatusPreconditionFailed, "precondition_failed", "%d of %d entries are not as expected",
		len(failures), len(parts))
	p.Cursor, p.Context = s.cursor(), map[string]any{"failures": failures}
	return p
}

// written does to each part what `do` says, but for those that are not as expected.
func (g *registry) written(r *request, withValues bool, do func(*space, part) map[string]any) (*answer, error) {
	parts, atomic, err := partsOf(r.body, "expect", withValues)
	if err != nil {
		return nil, err
	}
	s := g.space(r.namespace)
	if atomic {
		if err := checkAll(s, parts); err != nil {
			return nil, err
		}
	}
	status, outcomes := "success", make([]map[string]any, len(parts))
	for i, p := range parts {
		if s.holds(p.key, p.expect) {
			outcomes[i] = do(s, p)
			continue
		}
		status, outcomes[i] = "partial", refusal(s, p.key)
	}
	if s.head > 0 {
		g.spaces[r.namespace] = s
	}
	return success(map[string]any{"status": status, "outcomes": outcomes, "cursor": s.cursor()})
}

func (g *registry) batchSet(r *request) (*answer, error) {
	return g.written(r, true, func(s *space, p part) map[string]any {
		outcome, e := s.put(p.key, p.value)
		return map[string]any{"outcome": outcome, "revision": e.revision, "etag": e.etag, "digest": e.digest}
	})
}

func (g *registry) batchDelete(r *request) (*answer, error) {
	return g.written(r, false, func(s *space, p part) map[string]any {
		if s.entries[p.key] == nil {
			return map[string]any{"outcome": "missing"}
		}
		return map[string]any{"outcome": "deleted", "revision": s.remove(p.key)}
	})
}

func (g *registry) batchGet(r *request) (*answer, error) {
	parts, _, err := partsOf(r.body, "unless", false)
	if err != nil {
		return nil, err
	}
	s, size := g.space(r.namespace), 0
	outcomes := make([]map[string]any, len(parts))
	for i, p := range parts {
		e := s.entries[p.key]
		switch {
		case e == nil:
			outcomes[i] = map[string]any{"outcome": "missing"}
		case p.expect == e.etag:
			outcomes[i] = map[string]any{"outcome": "unchanged"}
		case size > 0 && size+len(e.value.Data) > answerBytes:
			outcomes[i] = map[string]any{"outcome": "omitted"}
		default:
			size += len(e.value.Data)
			outcomes[i] = e.answer()
			outcomes[i]["outcome"] = "found"
		}
	}
	return success(map[string]any{"outcomes": outcomes, "cursor": s.cursor()})
}
