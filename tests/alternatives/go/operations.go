package main

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// registry holds the namespaces; each operation is one step under its lock.
type registry struct {
	sync.Mutex
	epoch   string
	spaces  map[string]*space
	counts  map[string]int64
	started time.Time
}

// answer is what an operation says: a status, a body (nil is none), and header fields.
type answer struct {
	status int
	body   any
	header map[string]string
}

func success(body map[string]any) (*answer, error) { return &answer{status: 200, body: body}, nil }

// operation is what a path and method lead to.
type operation struct {
	method     string
	query      []string
	body       bool
	handle     func(*registry, *request) (*answer, error)
	conditions []string
	writes     bool
}

var both = []string{"If-Match", "If-None-Match"}

// operations by path, or by what follows /registry/{namespace}/.
var operations = map[string]operation{
	"/health":       {"GET", nil, false, (*registry).health, nil, false},
	"/ready":        {"GET", nil, false, (*registry).ready, nil, false},
	"/stats":        {"GET", nil, false, (*registry).stats, nil, false},
	"/capabilities": {"GET", nil, false, (*registry).capabilities, nil, false},
	"/metrics":      {"GET", nil, false, (*registry).metrics, nil, false},
	"/namespaces":   {"GET", []string{"prefix", "limit", "page"}, false, (*registry).namespaces, nil, false},
	"set":           {"POST", nil, true, (*registry).set, both, true},
	"get":           {"GET", []string{"key", "suggest"}, false, (*registry).get, both, false},
	"delete":        {"DELETE", []string{"key"}, false, (*registry).delete, both, true},
	"contains":      {"GET", []string{"key"}, false, (*registry).contains, nil, false},
	"length":        {"GET", nil, false, (*registry).length, nil, false},
	"keys":          {"GET", []string{"prefix", "limit", "page"}, false, (*registry).keys, nil, false},
	"items":         {"GET", []string{"prefix", "limit", "page"}, false, (*registry).items, nil, false},
	"clear":         {"DELETE", nil, false, (*registry).clear, []string{"If-Match"}, true},
	"batch/set":     {"POST", nil, true, (*registry).batchSet, nil, true},
	"batch/get":     {"POST", nil, true, (*registry).batchGet, nil, false},
	"batch/delete":  {"POST", nil, true, (*registry).batchDelete, nil, true},
}

// space is the namespace; one that nobody has written to is empty, and is not kept before it is written to.
func (g *registry) space(name string) *space {
	if found := g.spaces[name]; found != nil {
		return found
	}
	return &space{epoch: g.epoch, entries: map[string]*entry{}}
}

func (g *registry) health(*request) (*answer, error) {
	return success(map[string]any{"status": "healthy", "service": "registry-server"})
}

func (g *registry) ready(*request) (*answer, error) {
	return success(map[string]any{"status": "ready"})
}

func (g *registry) stats(*request) (*answer, error) {
	names, entries, requests := g.holding("", ""), 0, int64(0)
	for _, name := range names {
		entries += len(g.spaces[name].entries)
	}
	for _, count := range g.counts {
		requests += count
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(len(g.spaces[b].entries), len(g.spaces[a].entries))
	})
	sizes := map[string]int{}
	for _, name := range names[:min(len(names), 1000)] {
		sizes[name] = len(g.spaces[name].entries)
	}
	return success(map[string]any{
		"namespaces": len(names), "total_entries": entries, "total_requests": requests,
		"get_requests": g.counts["get"], "set_requests": g.counts["set"], "delete_requests": g.counts["delete"],
		"namespace_sizes": sizes, "created_at": g.started.UTC().Format("2006-01-02T15:04:05.000Z"),
		"uptime_seconds": time.Since(g.started).Seconds(), "storage": "a map", "version": "1",
	})
}

func (g *registry) capabilities(*request) (*answer, error) {
	return success(map[string]any{
		"protocol": "1.0.0", "profiles": []string{"core", "conditional", "batch"},
		"envelope_types": []string{"json", "pickle"},
		"limits": map[string]int{
			"body_bytes": bodyBytes, "value_bytes": valueBytes, "key_bytes": keyBytes, "batch_entries": batchEntries,
			"page_entries": 1000, "json_depth": jsonDepth, "header_bytes": headerBytes,
		},
	})
}

func (g *registry) metrics(*request) (*answer, error) {
	text := "# HELP registry_requests_total Requests taken.\n# TYPE registry_requests_total counter\n"
	for _, name := range slices.Sorted(maps.Keys(g.counts)) {
		text += fmt.Sprintf("registry_requests_total{operation=%q} %d\n", strings.Trim(name, "/"), g.counts[name])
	}
	return &answer{200, text, map[string]string{"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}}, nil
}

// holding is the names, in order, of the namespaces that hold an entry.
func (g *registry) holding(after, prefix string) []string {
	names := []string{}
	for name, s := range g.spaces {
		if len(s.entries) > 0 && name > after && strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func invalidPage() *problem {
	return newProblem(400, "invalid_page", "Not a page token of this listing; give back `next` as it came")
}

func (g *registry) namespaces(r *request) (*answer, error) {
	listing := r.listing("namespaces")
	token, end, _ := strings.Cut(r.texts["page"], ".")
	last, err := hex.DecodeString(token)
	if err != nil || token != "" && end != listing {
		return nil, invalidPage()
	}
	names := g.holding(string(last), r.texts["prefix"])
	body := map[string]any{}
	if limit := r.numbers["limit"]; len(names) > limit {
		names = names[:limit]
		body["next"] = hex.EncodeToString([]byte(names[limit-1])) + "." + listing
	}
	summaries := []map[string]any{}
	for _, name := range names {
		s := g.spaces[name]
		summaries = append(summaries, map[string]any{"namespace": name, "entries": len(s.entries), "cursor": s.cursor()})
	}
	body["namespaces"] = summaries
	return success(body)
}

func (g *registry) set(r *request) (*answer, error) {
	body, err := fields(r.body, "", "invalid_body", []string{"key", "value"})
	if err != nil {
		return nil, err
	}
	key, err := keyOf(body["key"], "/key")
	if err != nil {
		return nil, err
	}
	value, err := envelopeOf(body["value"], "/value")
	if err != nil {
		return nil, err
	}
	s := g.space(r.namespace)
	if !r.holds(s.entries[key]) {
		return nil, refused(s, key)
	}
	outcome, e := s.put(key, value)
	g.spaces[r.namespace] = s
	return &answer{200, map[string]any{
		"status": "success", "outcome": outcome, "key": key, "revision": e.revision, "etag": e.etag,
		"digest": e.digest, "cursor": s.cursor(),
	}, quoted(e)}, nil
}

func quoted(e *entry) map[string]string { return map[string]string{"ETag": `"` + e.etag + `"`} }

func refused(s *space, key string) *problem {
	p := newProblem(http.StatusPreconditionFailed, "precondition_failed", "The key %q is not as the condition says", key)
	p.Cursor, p.Current = s.cursor(), s.entries[key].current()
	return p
}

func (g *registry) get(r *request) (*answer, error) {
	s, key := g.space(r.namespace), r.texts["key"]
	e := s.entries[key]
	if e == nil {
		p := missing(s, r)
		p.Suggestions = near(s, key, r.numbers["suggest"])
		return nil, p
	}
	header := quoted(e)
	if !r.matches(e.etag) {
		return nil, refused(s, key)
	}
	if r.names(e.etag) {
		header["Registry-Cursor"] = s.cursor()
		return &answer{status: http.StatusNotModified, header: header}, nil
	}
	body := e.answer()
	body["cursor"] = s.cursor()
	return &answer{200, body, header}, nil
}

func missing(s *space, r *request) *problem {
	p := newProblem(http.StatusNotFound, "key_not_found", "Key not found: %q in %s", r.texts["key"], r.namespace)
	p.Cursor = s.cursor()
	p.Context = map[string]any{"key": r.texts["key"], "namespace": r.namespace}
	return p
}

func (g *registry) delete(r *request) (*answer, error) {
	s, key := g.space(r.namespace), r.texts["key"]
	if !r.holds(s.entries[key]) {
		return nil, refused(s, key)
	}
	if s.entries[key] == nil {
		return nil, missing(s, r)
	}
	revision := s.remove(key)
	return success(map[string]any{"status": "deleted", "revision": revision, "cursor": s.cursor()})
}

func (g *registry) contains(r *request) (*answer, error) {
	s := g.space(r.namespace)
	_, there := s.entries[r.texts["key"]]
	return success(map[string]any{"contains": there, "cursor": s.cursor()})
}

func (g *registry) length(r *request) (*answer, error) {
	s := g.space(r.namespace)
	return success(map[string]any{"length": len(s.entries), "cursor": s.cursor()})
}

func (g *registry) clear(r *request) (*answer, error) {
	s := g.space(r.namespace)
	if !r.matches(s.cursor()) {
		return nil, refused(s, "")
	}
	count := s.clear()
	return success(map[string]any{"status": "cleared", "count": count, "revision": s.head, "cursor": s.cursor()})
}

func (g *registry) keys(r *request) (*answer, error) {
	return g.list(r, "keys", false, func(e *entry) any { return e.key })
}

func (g *registry) items(r *request) (*answer, error) {
	return g.list(r, "items", true, func(e *entry) any {
		item := e.answer()
		item["key"] = e.key
		return item
	})
}

func (g *registry) list(r *request, name string, whole bool, shown func(*entry) any) (*answer, error) {
	s := g.space(r.namespace)
	place, err := placeOf(r.texts["page"], r.listing(name), s)
	if err != nil {
		return nil, err
	}
	entries, more := page(s.after(place, r.texts["prefix"]), r.numbers["limit"], whole)
	listed := []any{}
	for _, e := range entries {
		listed = append(listed, shown(e))
	}
	body := map[string]any{name: listed, "cursor": s.cursor()}
	if more {
		body["next"] = fmt.Sprintf("%s.%d.%s", s.epoch, entries[len(entries)-1].place, r.listing(name))
	}
	return success(body)
}

var tokenForm = regexp.MustCompile(`^([0-9a-f]{16})\.([0-9]{1,15})\.([0-9a-f]{12})$`)

// placeOf is the place that the page before ended with.
func placeOf(token, listing string, s *space) (int64, error) {
	if token == "" {
		return 0, nil
	}
	found := tokenForm.FindStringSubmatch(token)
	if found == nil || found[3] != listing {
		return 0, invalidPage()
	}
	if found[1] != s.epoch {
		p := newProblem(http.StatusGone, "epoch_changed", "The listing began in an earlier epoch: list again")
		p.Cursor = s.cursor()
		return 0, p
	}
	return strconv.ParseInt(found[2], 10, 64)
}
