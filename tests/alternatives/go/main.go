// An independent registry server: go run . [-port PORT]
//
// Written from openapi.yaml and the documents alone, on Go's own HTTP server. It keeps nothing, and offers the
// profiles core, conditional and batch.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const headerBytes = 32 << 10

func main() {
	port := flag.Int("port", 8001, "0 for a free one")
	flag.Parse()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("registry server on http://%s\n", listener.Addr())
	server := &http.Server{Handler: newRegistry(), ReadHeaderTimeout: time.Minute}
	log.Fatal(server.Serve(listener))
}

func newRegistry() *registry {
	epoch := make([]byte, 8)
	rand.Read(epoch)
	return &registry{
		epoch: hex.EncodeToString(epoch), spaces: map[string]*space{}, counts: map[string]int64{}, started: time.Now(),
	}
}

// ServeHTTP takes the path as it came: a mux would clean it, and redirect.
func (g *registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	given, err := g.answered(w, r)
	var problem *problem
	if errors.As(err, &problem) {
		given = &answer{problem.Status, problem, map[string]string{"Content-Type": "application/problem+json"}}
		if problem.allow != "" {
			given.header["Allow"] = problem.allow
		}
	}
	given.send(w)
}

func (g *registry) answered(w http.ResponseWriter, r *http.Request) (*answer, error) {
	if size(r.Header) > headerBytes {
		return nil, newProblem(431, "headers_too_large", "The header fields are larger than %d bytes", headerBytes)
	}
	name, segment, err := routed(r.URL.EscapedPath())
	if err != nil {
		return nil, err
	}
	operation := operations[name]
	if r.Method != operation.method && (r.Method != "HEAD" || operation.method != "GET") {
		p := newProblem(http.StatusMethodNotAllowed, "method_not_allowed", "This path has no %s", r.Method)
		p.allow = strings.Replace(operation.method, "GET", "GET, HEAD", 1)
		return nil, p
	}
	made := &request{http: r, texts: map[string]string{}, numbers: map[string]int{}, conditions: map[string]string{}}
	if segment != "" || !strings.HasPrefix(name, "/") {
		if made.namespace, err = namespaceOf(segment); err != nil {
			return nil, err
		}
	}
	if err := made.readQuery(operation.query); err != nil {
		return nil, err
	}
	if err := made.checkConditions(operation); err != nil {
		return nil, err
	}
	if operation.body {
		if err := made.readBody(w); err != nil {
			return nil, err
		}
	}
	g.Lock()
	defer g.Unlock()
	g.counts[name]++
	return operation.handle(g, made)
}

// routed is the name of the path's operation, and the namespace in it, still encoded.
func routed(path string) (string, string, error) {
	if _, there := operations[path]; there && strings.HasPrefix(path, "/") {
		return path, "", nil
	}
	if rest, is := strings.CutPrefix(path, "/registry/"); is {
		namespace, name, _ := strings.Cut(rest, "/")
		if _, there := operations[name]; there {
			return name, namespace, nil
		}
	}
	return "", "", newProblem(http.StatusNotFound, "not_found", "There is no such path")
}

func size(header http.Header) (bytes int) {
	for name, values := range header {
		for _, value := range values {
			bytes += len(name) + len(value) + 4
		}
	}
	return bytes
}

func (a *answer) send(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	if a.status == http.StatusNotModified {
		w.Header().Del("Content-Type")
		w.WriteHeader(a.status)
		return
	}
	text, isText := a.body.(string)
	data := []byte(text)
	if !isText {
		var err error
		if data, err = json.Marshal(a.body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(a.status)
	w.Write(data)
}
