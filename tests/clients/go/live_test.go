package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"namestead.dev/registry/tests/clients/go/registry"
)

func connect(t *testing.T) *registry.ClientWithResponses {
	t.Helper()
	url := os.Getenv("REGISTRY_SERVER_URL")
	if url == "" {
		t.Fatal("REGISTRY_SERVER_URL says where the server is")
	}
	client, err := registry.NewClientWithResponses(url)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// namespace is one of the test's own.
func namespace(t *testing.T) string { return "clients.go." + t.Name() }

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func equal(t *testing.T, what string, found, wanted any) {
	t.Helper()
	if !reflect.DeepEqual(found, wanted) {
		t.Fatalf("%s: found %v, wanted %v", what, found, wanted)
	}
}

func store(t *testing.T, client *registry.ClientWithResponses, space, key string, value any) *registry.SetEntryResult {
	t.Helper()
	body := registry.SetEntryRequest{Key: Key(key), Value: Encode(value)}
	answer, err := client.SetEntryWithResponse(within(t), space, nil, body)
	if err != nil || answer.JSON200 == nil {
		t.Fatalf("set %q: %v, %v", key, err, answer)
	}
	return answer.JSON200
}

func fetch(t *testing.T, client *registry.ClientWithResponses, space, key string, pointer any) *registry.EntryAnswer {
	t.Helper()
	answer, err := client.GetEntryWithResponse(within(t), space, &registry.GetEntryParams{Key: key})
	if err != nil || answer.JSON200 == nil {
		t.Fatalf("get %q: %v, %v", key, err, answer)
	}
	if err := Decode(answer.JSON200.Value, pointer); err != nil {
		t.Fatal(err)
	}
	return answer.JSON200
}

func TestSetsAndGets(t *testing.T) {
	client := connect(t)
	written := store(t, client, namespace(t), "lr", 0.001)
	var value float64
	read := fetch(t, client, namespace(t), "lr", &value)

	equal(t, "value", value, 0.001)
	equal(t, "digest", read.Digest, Digest(Encode(0.001)))
	equal(t, "etag", read.Etag, written.Etag)
}

func TestKeysTravelAsTheyAre(t *testing.T) {
	client := connect(t)
	for _, key := range []string{".", "..", "a/b", "%2F", "a+b c", "?&=#", "\x00", "🚀", "e\u0301", "é", strings.Repeat("k", 1024)} {
		equal(t, "echo", store(t, client, namespace(t), key, key).Key, key)
		var value string
		fetch(t, client, namespace(t), key, &value)
		equal(t, "value", value, key)
	}
}

func TestCreatesOnce(t *testing.T) {
	client := connect(t)
	only := "*"
	create := func(value string) *registry.SetEntryResponse {
		envelope := Encode(value)
		envelope.Meta = &registry.Meta{"identity": value}
		answer, err := client.SetEntryWithResponse(within(t), namespace(t), &registry.SetEntryParams{IfNoneMatch: &only},
			registry.SetEntryRequest{Key: Key("best"), Value: envelope})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	first, second := create("mine"), create("theirs")

	equal(t, "outcome", first.JSON200.Outcome, registry.OutcomeCreated)
	conflict := second.ApplicationproblemJSON412
	if conflict == nil {
		t.Fatalf("the second was answered %s", second.Status())
	}
	equal(t, "code", conflict.Code, "precondition_failed")
	equal(t, "winner", *conflict.Current.Meta, registry.Meta{"identity": "mine"})
	equal(t, "its version", conflict.Current.Etag, first.JSON200.Etag)
}

func TestReplacesTheVersionItRead(t *testing.T) {
	client := connect(t)
	old := store(t, client, namespace(t), "n", 1).Etag
	replace := func(etag string, value int) *registry.SetEntryResponse {
		quoted := `"` + etag + `"`
		answer, err := client.SetEntryWithResponse(within(t), namespace(t), &registry.SetEntryParams{IfMatch: &quoted},
			registry.SetEntryRequest{Key: Key("n"), Value: Encode(value)})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}

	equal(t, "outcome", replace(old, 2).JSON200.Outcome, registry.OutcomeReplaced)
	equal(t, "stale", replace(old, 3).StatusCode(), 412)
}

func TestIsToldThatNothingChanged(t *testing.T) {
	client := connect(t)
	etag := `"` + store(t, client, namespace(t), "n", 1).Etag + `"`
	params := &registry.GetEntryParams{Key: "n", IfNoneMatch: &etag}
	answer, err := client.GetEntryWithResponse(within(t), namespace(t), params)

	equal(t, "error", err, nil)
	equal(t, "status", answer.StatusCode(), 304)
}

func TestPages(t *testing.T) {
	client := connect(t)
	var wanted, found []string
	for i := range 7 {
		wanted = append(wanted, fmt.Sprintf("key %d", 7-i))
		store(t, client, namespace(t), wanted[i], i)
	}
	limit := 3
	params := &registry.ListKeysParams{Limit: &limit}
	pages := 0
	for {
		answer, err := client.ListKeysWithResponse(within(t), namespace(t), params)
		if err != nil || answer.JSON200 == nil {
			t.Fatal(err, answer)
		}
		found = append(found, answer.JSON200.Keys...)
		pages++
		if params.Page = answer.JSON200.Next; params.Page == nil {
			break
		}
	}

	equal(t, "keys", found, wanted)
	equal(t, "pages", pages, 3)
}

func TestWatches(t *testing.T) {
	client := connect(t)
	start, err := client.WatchNamespaceWithResponse(within(t), namespace(t), nil)
	if err != nil || start.JSON200 == nil {
		t.Fatal(err, start)
	}
	answers := make(chan *registry.WatchNamespaceResponse)
	go func() {
		wait := 55
		params := &registry.WatchNamespaceParams{Since: &start.JSON200.Cursor, Wait: &wait}
		answer, err := client.WatchNamespaceWithResponse(within(t), namespace(t), params)
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	written := store(t, client, namespace(t), "news", "good")
	answer := (<-answers).JSON200

	equal(t, "changes", len(answer.Changes), 1)
	equal(t, "key", *answer.Changes[0].Key, "news")
	equal(t, "operation", answer.Changes[0].Op, registry.Set)
	equal(t, "cursor", answer.Cursor, written.Cursor)
}

func TestIsToldThatAWatchHasToStartAnew(t *testing.T) {
	since := "0123456789abcdef0123456789abcdef.1"
	params := &registry.WatchNamespaceParams{Since: &since}
	answer, err := connect(t).WatchNamespaceWithResponse(within(t), namespace(t), params)
	if err != nil || answer.ApplicationproblemJSON410 == nil {
		t.Fatal(err, answer)
	}

	equal(t, "code", answer.ApplicationproblemJSON410.Code, "epoch_changed")
}

func TestBatches(t *testing.T) {
	client := connect(t)
	absent := "absent"
	entries := []registry.BatchSetEntry{
		{Key: Key("a"), Value: Encode(1)}, {Key: Key("b"), Value: Encode(2), Expect: &absent},
	}
	set := func(atomic bool) *registry.BatchSetResponse {
		body := registry.BatchSetRequest{Entries: entries, Atomic: &atomic}
		answer, err := client.BatchSetWithResponse(within(t), namespace(t), body)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	first, second, whole := set(false), set(false), set(true)

	equal(t, "status", first.JSON200.Status, registry.BatchSetResultStatusSuccess)
	equal(t, "again", second.JSON200.Status, registry.BatchSetResultStatusPartial)
	equal(t, "refused", second.JSON200.Outcomes[1].Outcome, registry.BatchSetOutcomeOutcomeRefused)
	equal(t, "all or nothing", whole.StatusCode(), 412)

	got, err := client.BatchGetWithResponse(within(t), namespace(t), registry.BatchGetRequest{
		Entries: []registry.BatchGetEntry{{Key: Key("b")}, {Key: Key("c")}},
	})
	if err != nil || got.JSON200 == nil {
		t.Fatal(err, got)
	}
	equal(t, "found", got.JSON200.Outcomes[0].Value.Data, "2")
	equal(t, "missing", string(got.JSON200.Outcomes[1].Outcome), "missing")

	gone, err := client.BatchDeleteWithResponse(within(t), namespace(t), registry.BatchDeleteRequest{
		Entries: []registry.BatchDeleteEntry{{Key: Key("a")}, {Key: Key("b")}},
	})
	if err != nil || gone.JSON200 == nil {
		t.Fatal(err, gone)
	}
	equal(t, "removed", string(gone.JSON200.Outcomes[1].Outcome), "deleted")
}

func TestReadsProblems(t *testing.T) {
	client := connect(t)
	store(t, client, namespace(t), "mse", 1)
	suggest := 3
	missing, err := client.GetEntryWithResponse(within(t), namespace(t), &registry.GetEntryParams{Key: "mes", Suggest: &suggest})
	if err != nil || missing.ApplicationproblemJSON404 == nil {
		t.Fatal(err, missing)
	}
	equal(t, "code", missing.ApplicationproblemJSON404.Code, "key_not_found")
	equal(t, "suggestions", *missing.ApplicationproblemJSON404.Suggestions, []string{"mse"})

	invalid, err := client.CountEntriesWithResponse(within(t), "a..b")
	if err != nil || invalid.ApplicationproblemJSON422 == nil {
		t.Fatal(err, invalid)
	}
	equal(t, "code", invalid.ApplicationproblemJSON422.Code, "invalid_namespace")
}

// exchanged is the values that are written in one language and read in the others.
func exchanged(t *testing.T) map[string]any {
	var file struct{ Values map[string]any }
	readJSON(t, "../exchange.json", &file)
	return file.Values
}

func readJSON(t *testing.T, path string, pointer any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, pointer)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadsWhatPythonWrote(t *testing.T) {
	client := connect(t)
	for name, wanted := range exchanged(t) {
		var value any
		fetch(t, client, "clients.python", name, &value)
		equal(t, name, value, wanted)
	}
}

// What it wrote is read by Python when all tests are through.
func TestWritesForPython(t *testing.T) {
	client := connect(t)
	for name, value := range exchanged(t) {
		store(t, client, "clients.go", name, value)
	}
}
