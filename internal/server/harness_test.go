package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
	"logkeep/internal/schema"
	"logkeep/internal/server"
)

// limit is how long anything may take that takes no time on a machine at rest.
const limit = 30 * time.Second

// A site is a server and what was made on it. Its files are the test's own.
type site struct {
	*client.Server `json:"-"`
	t              *testing.T

	setting
	VaultID, VaultURI, ClusterID string
	Workspace                    client.Workspace
	Target                       client.Target

	stop func() error // nil if it does not run
	exe  *exec.Cmd    // of a keeper in a process of its own
	temp string       // its temporary folder
	out  syncBuffer   // what the keeper logs
}

const (
	group    = "g"
	keyName  = "logs"
	location = "westeurope"
)

var events = schema.Table{Name: "Events_CL", Columns: []schema.Column{
	{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Mark", Type: schema.String}, {Name: "N", Type: schema.Long},
}}

// prepared is a data directory in which everything was made that a person makes
// first; each test begins with a copy.
var prepared struct {
	sync.Once
	dir  string
	site site
}

func removePrepared() { os.RemoveAll(prepared.dir) }

// linked returns a running server with a workspace linked to a cluster with a
// key, and no row in it.
func linked(t *testing.T) *site {
	t.Helper()
	s := copied(t)
	s.serve()
	return s
}

// copied is the same, before it was started.
func copied(t *testing.T) *site {
	t.Helper()
	prepared.Do(func() {
		dir, err := os.MkdirTemp("", "server-")
		if err != nil {
			t.Fatal(err)
		}
		prepared.dir = dir
		s := &site{t: t, setting: setting{DataDir: filepath.Join(dir, "data"), RootKey: filepath.Join(dir, "root.key")}}
		s.serve()
		s.make()
		s.halt()
		prepared.site = site{VaultID: s.VaultID, VaultURI: s.VaultURI, ClusterID: s.ClusterID, Workspace: s.Workspace, Target: s.Target}
	})
	p := &prepared.site
	if p.ClusterID == "" {
		t.Fatal("the first server could not be made")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(prepared.dir)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600) // a copy has the umask's mode
	})
	if err != nil {
		t.Fatal(err)
	}
	return &site{
		t: t, setting: setting{DataDir: filepath.Join(dir, "data"), RootKey: filepath.Join(dir, "root.key")},
		VaultID: p.VaultID, VaultURI: p.VaultURI, ClusterID: p.ClusterID, Workspace: p.Workspace, Target: p.Target,
	}
}

// serve runs the server inside the test until halt or the test's end.
func (s *site) serve() {
	s.t.Helper()
	ready, out := io.Pipe()
	c := s.config()
	c.Out, c.Log = out, slog.New(slog.NewTextHandler(&s.out, nil))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- server.Run(ctx, c)
		out.CloseWithError(io.EOF)
	}()
	s.stop = sync.OnceValue(func() error {
		s.stop = nil
		if s.Server != nil {
			s.Server.Close()
		}
		cancel()
		return <-done
	})
	stop := s.stop
	s.t.Cleanup(func() { stop() })
	s.t.Cleanup(s.tellTrouble)
	if line, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		s.t.Fatalf("the server is not ready (%q): %v\n%s", line, stop(), s.out.String())
	}
	s.open()
}

// tellTrouble shows what the server said went wrong, if the test failed.
func (s *site) tellTrouble() {
	if !s.t.Failed() {
		return
	}
	for line := range strings.Lines(s.out.String()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "level=WARN") {
			s.t.Log(strings.TrimSuffix(line, "\n"))
		}
	}
}

// open connects to the server that runs.
func (s *site) open() {
	s.t.Helper()
	c, err := client.Open(s.t.Context(), client.Where{DataDir: s.DataDir, Getenv: func(string) string { return "" }}, client.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Server = c
	// Hosts carry the port, and this server's is new.
	s.VaultURI = s.Host("kv-1.vault")
	if s.Target.Endpoint != "" {
		label, _, _ := strings.Cut(strings.TrimPrefix(s.Target.Endpoint, "https://"), ".")
		s.Target.Endpoint = s.Host(label + ".ingest")
	}
}

// halt stops the server in order.
func (s *site) halt() {
	s.t.Helper()
	if err := s.stop(); err != nil {
		s.t.Fatalf("stop: %v\n%s", err, s.out.String())
	}
}

// spawn runs the server as a process of its own.
func (s *site) spawn() {
	s.t.Helper()
	text, err := json.Marshal(s.setting)
	if err != nil {
		s.t.Fatal(err)
	}
	runtime, err := os.MkdirTemp("", "k") // what a killed keeper leaves goes with it; a socket's path must be short
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { os.RemoveAll(runtime) })
	s.temp = runtime
	s.exe = exec.Command(os.Args[0], "keeper")
	s.exe.Env = append(os.Environ(), "TMPDIR="+runtime)
	s.exe.Stdin = bytes.NewReader(text)
	s.exe.Stderr = &s.out
	s.exe.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.exe.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.exe.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd := s.exe
	s.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		s.t.Fatalf("the server is not ready (%q): %v\n%s", line, err, s.out.String())
	}
	s.open()
}

// make makes everything: group, vault, key, cluster, role, key on the cluster,
// workspace, table, collection, link.
func (s *site) make() {
	t, ctx := s.t, s.t.Context()
	groups, err := armresources.NewResourceGroupsClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(t, err)
	_, err = groups.CreateOrUpdate(ctx, group, armresources.ResourceGroup{Location: to.Ptr(location)}, nil)
	must(t, err)
	s.makeVault("kv-1")
	s.grant(s.VaultID, client.RoleCryptoOfficer, s.ObjectID)
	_, err = s.keys().CreateKey(ctx, keyName, azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr(int32(2048))}, nil)
	must(t, err)
	poller, err := s.clusters().BeginCreateOrUpdate(ctx, group, "cluster-1", armoperationalinsights.Cluster{
		Location: to.Ptr(location),
		Identity: &armoperationalinsights.ManagedServiceIdentity{Type: to.Ptr(armoperationalinsights.ManagedServiceIdentityTypeSystemAssigned)},
		SKU:      &armoperationalinsights.ClusterSKU{Name: to.Ptr(armoperationalinsights.ClusterSKUNameEnumCapacityReservation), Capacity: to.Ptr(int64(100))},
	}, nil)
	cluster, err := client.Wait(ctx, poller, err)
	must(t, err)
	s.ClusterID = *cluster.ID
	s.grant(s.VaultID, client.RoleCryptoServiceUser, s.cluster().PrincipalID)
	s.setKey("")
	s.Workspace = s.makeWorkspace("ws-1")
	s.Target = s.makeTable(s.Workspace, events, "dcr-1")
	s.link(s.Workspace)
}

func (s *site) makeVault(name string) {
	vaults, err := armkeyvault.NewVaultsClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	poller, err := vaults.BeginCreateOrUpdate(s.t.Context(), group, name, armkeyvault.VaultCreateOrUpdateParameters{
		Location: to.Ptr(location),
		Properties: &armkeyvault.VaultProperties{
			TenantID: &s.TenantID, SKU: &armkeyvault.SKU{Family: to.Ptr(armkeyvault.SKUFamilyA), Name: to.Ptr(armkeyvault.SKUNameStandard)},
			EnableSoftDelete: to.Ptr(true), EnablePurgeProtection: to.Ptr(true), EnableRbacAuthorization: to.Ptr(true), AccessPolicies: []*armkeyvault.AccessPolicyEntry{},
		},
	}, nil)
	vault, err := client.Wait(s.t.Context(), poller, err)
	must(s.t, err)
	s.VaultID, s.VaultURI = *vault.ID, strings.TrimSuffix(*vault.Properties.VaultURI, "/")
}

func (s *site) grant(scope, role, principal string) {
	s.t.Helper()
	must(s.t, s.Assign(s.t.Context(), scope, role, principal))
}

func (s *site) keys() *azkeys.Client {
	c, err := s.Keys(s.VaultURI)
	must(s.t, err)
	return c
}

func (s *site) clusters() *armoperationalinsights.ClustersClient {
	c, err := armoperationalinsights.NewClustersClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	return c
}

func (s *site) cluster() client.Cluster {
	s.t.Helper()
	c, err := s.Server.Cluster(s.t.Context(), s.ClusterID)
	must(s.t, err)
	return c
}

// setKey puts the key, at a version or at the newest, on the cluster.
func (s *site) setKey(version string) {
	s.t.Helper()
	poller, err := s.clusters().BeginUpdate(s.t.Context(), group, "cluster-1", armoperationalinsights.ClusterPatch{
		Properties: &armoperationalinsights.ClusterPatchProperties{KeyVaultProperties: &armoperationalinsights.KeyVaultProperties{
			KeyVaultURI: &s.VaultURI, KeyName: to.Ptr(keyName), KeyVersion: &version,
		}},
	}, nil)
	_, err = client.Wait(s.t.Context(), poller, err)
	must(s.t, err)
}

func (s *site) makeWorkspace(name string) client.Workspace {
	workspaces, err := armoperationalinsights.NewWorkspacesClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	poller, err := workspaces.BeginCreateOrUpdate(s.t.Context(), group, name, armoperationalinsights.Workspace{
		Location:   to.Ptr(location),
		Properties: &armoperationalinsights.WorkspaceProperties{SKU: &armoperationalinsights.WorkspaceSKU{Name: to.Ptr(armoperationalinsights.WorkspaceSKUNameEnumPerGB2018)}},
	}, nil)
	made, err := client.Wait(s.t.Context(), poller, err)
	must(s.t, err)
	return client.Workspace{ID: *made.ID, Name: name, ResourceGroup: group, Location: location, CustomerID: *made.Properties.CustomerID}
}

func (s *site) makeTable(w client.Workspace, table schema.Table, rule string) client.Target {
	must(s.t, s.CreateTable(s.t.Context(), w, table))
	target, err := s.Collect(s.t.Context(), w, table, rule)
	must(s.t, err)
	return target
}

func (s *site) links() *armoperationalinsights.LinkedServicesClient {
	c, err := armoperationalinsights.NewLinkedServicesClient(s.SubscriptionID, s.Credential(), s.ARM())
	must(s.t, err)
	return c
}

func (s *site) link(w client.Workspace) {
	s.t.Helper()
	poller, err := s.links().BeginCreateOrUpdate(s.t.Context(), group, w.Name, "cluster", armoperationalinsights.LinkedService{
		Properties: &armoperationalinsights.LinkedServiceProperties{WriteAccessResourceID: &s.ClusterID},
	}, nil)
	_, err = client.Wait(s.t.Context(), poller, err)
	must(s.t, err)
}

func (s *site) unlink(w client.Workspace) {
	s.t.Helper()
	poller, err := s.links().BeginDelete(s.t.Context(), group, w.Name, "cluster", nil)
	_, err = client.Wait(s.t.Context(), poller, err)
	must(s.t, err)
}

// rows are n rows whose marks begin with a word.
func rows(word string, n int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for i := range n {
			row := fmt.Appendf(nil, `{"TimeGenerated":%q,"Mark":"%s-%d","N":%d}`, time.Now().UTC().Format(time.RFC3339Nano), word, i, i)
			if !yield(row, nil) {
				return
			}
		}
	}
}

// send sends rows to the site's table.
func (s *site) send(word string, n int) error {
	_, err := s.Upload(s.t.Context(), s.Target, rows(word, n), nil)
	return err
}

func (s *site) mustSend(word string, n int) {
	s.t.Helper()
	must(s.t, s.send(word, n))
}

func (s *site) count() (int, error) {
	return s.Count(s.t.Context(), s.Workspace.CustomerID, "Events_CL | count")
}

// holds insists on the number of rows.
func (s *site) holds(want int) {
	s.t.Helper()
	if n, err := s.count(); err != nil || n != want {
		s.t.Fatalf("%d rows, %v; want %d\n%s", n, err, want, s.out.String())
	}
}

// marks are the marks of all rows and how often each is there.
func (s *site) marks() map[string]int {
	s.t.Helper()
	result, err := s.RunQuery(s.t.Context(), s.Workspace.CustomerID, "Events_CL | project Mark", "")
	must(s.t, err)
	found := map[string]int{}
	for _, row := range result.Rows {
		var mark string
		must(s.t, json.Unmarshal(row[0], &mark))
		found[mark]++
	}
	return found
}

// refused insists on the server's refusal, by its innermost code.
func refused(t *testing.T, err error, status int, code string) client.Failure {
	t.Helper()
	f, ok := client.FailureOf(err)
	if !ok || f.Status != status || f.Code != code {
		t.Fatalf("answered %d %s (%v); want %d %s", f.Status, f.Code, err, status, code)
	}
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A process is one that a test watches; a number alone may be given to another.
type process struct{ *os.Process }

func watch(t *testing.T, pid int) process {
	t.Helper()
	if pid <= 0 {
		t.Fatal("there is no process to watch")
	}
	p, err := os.FindProcess(pid)
	must(t, err)
	must(t, p.Signal(syscall.Signal(0)))
	return process{p}
}

// gone tells whether the process has ended; one that waits to be reaped has.
func (p process) gone() bool {
	if errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	if err != nil {
		return true
	}
	after := string(stat[bytes.LastIndexByte(stat, ')')+1:])
	return strings.HasPrefix(after, " Z") || strings.HasPrefix(after, " X")
}

func (p process) ends(t *testing.T, within time.Duration) {
	t.Helper()
	eventually(t, within, fmt.Sprintf("the end of process %d", p.Pid), func() error {
		if !p.gone() {
			return errNotYet
		}
		return nil
	})
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
