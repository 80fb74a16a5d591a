package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// Support is what only whoever runs the server may do. It is asked for over a
// Unix socket of a folder that only the server's user can enter, which is all
// the authentication there is: no token and no role gives it, and none of it
// can be reached from outside.
//
//	POST /restore-identity {"cluster": name or resource id} → {"cluster", "principalId", "keyVaultUri"}
//	POST /storage/check                                          see storage.go
//	POST /backup, /backup/list, /backup/verify, /backup/remove   see backup.go

// An appeal is a request to support.
type appeal struct {
	Cluster string `json:"cluster"`
}

// A restored identity has no rights yet.
type restored struct {
	Cluster   string `json:"cluster"`
	Principal string `json:"principalId"`
	Vault     string `json:"keyVaultUri,omitempty"`
}

// supportBody bounds a request and its answer.
const supportBody = 1 << 20

// serveSupport serves the socket until it is undone.
func serveSupport(cfg Config, socket string, plane *control.Service, b *backups, undo *stack) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /restore-identity", func(w http.ResponseWriter, r *http.Request) {
		var a appeal
		var answer any
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, supportBody)).Decode(&a)
		if err == nil {
			answer, err = restore(r.Context(), plane, a.Cluster)
		} else {
			err = fault.New(fault.InvalidRequestContent, "The request could not be read.").Because(err)
		}
		if err != nil {
			f := fault.Of(err)
			cfg.Log.Warn("support refused", "cluster", a.Cluster, "code", f.Code, "cause", f.Cause())
			w.WriteHeader(f.Status())
			answer = f
		} else {
			cfg.Log.Warn("support restored an identity", "cluster", a.Cluster)
		}
		json.NewEncoder(w).Encode(answer)
	})
	b.serve(mux)
	s := &http.Server{Handler: mux, ErrorLog: cfg.quiet(), ReadTimeout: 10 * time.Second}
	go s.Serve(l)
	undo.push(func() { s.Close() })
	return nil
}

func restore(ctx context.Context, plane *control.Service, cluster string) (restored, error) {
	id, err := findCluster(ctx, plane, cluster)
	if err != nil {
		return restored{}, err
	}
	c, err := plane.RestoreIdentity(ctx, id)
	return restored{c.ID.String(), c.Identity.Principal, c.Key.ID.VaultURI}, err
}

// findCluster reads a resource id, or a name that only one cluster has.
func findCluster(ctx context.Context, plane *control.Service, cluster string) (resource.ID, error) {
	if strings.HasPrefix(cluster, "/") {
		id, err := resource.Parse(cluster)
		if err != nil || !id.Type().Equal(resource.Cluster) {
			return id, fault.New(fault.BadRequest, "'%.200s' is not the resource id of a cluster.", cluster)
		}
		return id, nil
	}
	all, err := plane.Clusters(ctx, resource.Root())
	if err != nil {
		return resource.ID{}, err
	}
	var found []resource.ID
	for _, c := range all {
		if strings.EqualFold(c.ID.Name(), cluster) {
			found = append(found, c.ID)
		}
	}
	switch len(found) {
	case 0:
		return resource.ID{}, fault.New(fault.ClusterNotFound, "There is no cluster '%.80s'.", cluster)
	case 1:
		return found[0], nil
	}
	return resource.ID{}, fault.New(fault.BadRequest, "%d clusters are called '%.80s'; give the resource id of one, such as %s.", len(found), cluster, found[0])
}

// RestoreIdentity asks the server that runs on a data directory to give a
// cluster a new identity, and tells on out what is left to do.
func RestoreIdentity(ctx context.Context, dataDir, cluster string, out io.Writer) error {
	var answer restored
	if err := askSupport(ctx, dataDir, "/restore-identity", appeal{cluster}, &answer); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s has a new identity, %s. It has no rights yet.\n", answer.Cluster, answer.Principal)
	if answer.Vault != "" {
		fmt.Fprintf(out, "Grant it the use of the key at %s (the role Key Vault Crypto Service Encryption User,\nor the permissions get, wrapKey and unwrapKey): the data comes back by itself.\n", answer.Vault)
	}
	return nil
}

func askSupport(ctx context.Context, dataDir, path string, in, out any) error {
	at, err := endpointIn(dataDir)
	if err != nil {
		return err
	}
	none := fmt.Errorf("no server runs on %s; start it with `logkeep serve --data-dir %[1]s`, and ask again as the user that runs it", dataDir)
	if at.Support == "" {
		return none
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", at.Support)
		},
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://support"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("%w (%w)", none, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, supportBody))
	if err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return json.Unmarshal(text, out)
	}
	var refusal fault.Error
	if err := json.Unmarshal(text, &refusal); err != nil {
		return fmt.Errorf("the server answered with status %d", answer.StatusCode)
	}
	if refusal.Status() == http.StatusNotFound {
		return fmt.Errorf("%s: %w", refusal.Message, fs.ErrNotExist) // the exit code of what is not there
	}
	return errors.New(refusal.Message)
}

// An endpoint is where a server can be found, as it lies in its data directory.
type endpoint struct {
	URL     string `json:"url"`
	IMDS    string `json:"imds"`
	Support string `json:"support"` // path of a Unix socket
}

func endpointIn(dataDir string) (at endpoint, err error) {
	text, err := os.ReadFile(filepath.Join(dataDir, "endpoint"))
	if errors.Is(err, fs.ErrNotExist) {
		return at, fmt.Errorf("%s is no data directory of a server on this machine; name it with --data-dir", dataDir)
	}
	if err == nil {
		err = json.Unmarshal(text, &at)
	}
	if err != nil {
		return at, fmt.Errorf("read where the server of %s is: %w", dataDir, err)
	}
	return at, nil
}
