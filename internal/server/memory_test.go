package server_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
	"logkeep/internal/seal"
)

// remains counts where in a process's memory each needle is.
func remains(t *testing.T, pid int, needles map[string][]byte) map[string]int {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has ended since it was listed
	}
	must(t, err)
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	must(t, err)
	defer mem.Close()
	found := map[string]int{}
	const overlap = 4096
	b := make([]byte, 4<<20)
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil || mode[0] != 'r' || strings.Contains(lines.Text(), "[v") {
			continue
		}
		for at := from; at < to; at += int64(len(b)) - overlap {
			n, err := mem.ReadAt(b[:min(int64(len(b)), to-at)], at)
			if err != nil && err != io.EOF && n == 0 {
				break // a guard page
			}
			for name, needle := range needles {
				found[name] += bytes.Count(b[:n], needle)
			}
		}
	}
	return found
}

func TestNothingReadableIsLeftInAnyProcessAfterARevocation(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("reading the memory of an undumpable process takes root")
	}
	s := copied(t)
	s.Flush.Bytes = 1 << 10
	s.spawn()
	row, asked := rand.Text(), rand.Text() // a constant would be in every process of this binary
	s.mustSend(row, 300)
	if _, err := s.RunQuery(t.Context(), s.Workspace.CustomerID, `Events_CL | where Mark != "`+asked+`" | project Mark`, ""); err != nil {
		t.Fatal(err)
	}
	account := s.segments(1)

	// The keys, as only the worker should have them.
	th := burgle(s.copy(t))
	needles := map[string][]byte{"row": []byte(row), "query": []byte(asked)}
	for i, r := range th.records(account) {
		must(t, th.unwrap(r).Export(func(key []byte) error {
			needles[fmt.Sprintf("key %d", i)] = bytes.Clone(key)
			needles[fmt.Sprintf("key %d in a vault's answer", i)] = []byte(base64.RawURLEncoding.EncodeToString(key))
			return nil
		}))
	}
	if len(needles) < 2+2*seal.KeySize/32 {
		t.Fatal("no key was found to look for")
	}
	// A reader that has this customer's keys and another's, too.
	b := s.makeSecond()
	w := s.makeWorkspace("ws-b")
	s.makeTable(w, events, "dcr-b")
	b.link(w)
	if _, err := s.RunQuery(t.Context(), s.Workspace.CustomerID, `Events_CL | where Mark != "`+asked+`" | project Mark`, "", w.CustomerID); err != nil {
		t.Fatal(err)
	}
	readers := s.readersOf(s.cluster())
	if len(readers) != 2 {
		t.Fatalf("%d readers, want one of the domain and one over both", len(readers))
	}
	for _, r := range readers {
		if found := remains(t, r.Pid, needles); found["row"] == 0 || found["key 0"]+found["key 1"]+found["key 2"] == 0 {
			t.Fatalf("a reader has neither rows nor keys (%v): the test sees nothing", found)
		}
	}
	pid := s.cluster().Logkeep.Worker.PID
	if found := remains(t, pid, needles); found["row"] == 0 || found["key 0"]+found["key 1"]+found["key 2"] == 0 {
		t.Fatalf("the worker has neither rows nor keys (%v): the test sees nothing", found)
	}
	worker := watch(t, pid)
	s.enable("", false)
	worker.ends(t, noticed)
	for _, r := range readers {
		r.ends(t, noticed)
	}
	family := append(children(t, s.exe.Process.Pid), process{s.exe.Process})
	began := time.Now()
	eventually(t, limit, "memory without any of it", func() error {
		var left error
		for _, p := range family {
			role, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Pid))
			for name, n := range remains(t, p.Pid, needles) {
				if n > 0 {
					left = errors.Join(left, fmt.Errorf("%s: %s is there %d times", bytes.TrimRight(role[bytes.IndexByte(role, 0)+1:], "\x00"), name, n))
				}
			}
		}
		return left
	})
	t.Logf("%d processes were clean %s after the revocation", len(family), time.Since(began).Round(time.Millisecond))
}

// Rows that are sealed pass through the keeper, which has no key: what is left of
// them in its memory goes as that of any request does.
func TestSealedRowsAreNotLeftInAnyProcess(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("reading the memory of an undumpable process takes root")
	}
	s := copied(t)
	s.spawn()
	s.whenRevoked("Seal")
	s.disabled()
	row := rand.Text()
	s.mustSend(row, 300)
	if k := s.cluster().Logkeep.KeyState; k.Spool == nil || k.Spool.Rows != 300 {
		t.Fatalf("%+v", k.Spool)
	}
	s.Close() // an open connection holds the last of what came over it
	for _, p := range append(children(t, s.exe.Process.Pid), process{s.exe.Process}) {
		eventually(t, limit, "memory without the rows", func() error {
			if n := remains(t, p.Pid, map[string][]byte{"row": []byte(row)})["row"]; n > 0 {
				return fmt.Errorf("process %d has it %d times", p.Pid, n)
			}
			return nil
		})
	}
}

// The customer's private key is in the vault's process and in no other: neither
// while it is used all the time, nor after. It is imported, so that the test
// knows its numbers.
func TestNoPrivateKeyIsOutsideTheVaultsProcess(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("reading the memory of an undumpable process takes root")
	}
	s := copied(t)
	s.spawn()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	exponent := big.NewInt(int64(key.E)).Bytes()
	jwk := azkeys.JSONWebKey{
		Kty: to.Ptr(azkeys.KeyTypeRSA), N: key.N.Bytes(), E: exponent, D: key.D.Bytes(), P: key.Primes[0].Bytes(), Q: key.Primes[1].Bytes(),
		DP: key.Precomputed.Dp.Bytes(), DQ: key.Precomputed.Dq.Bytes(), QI: key.Precomputed.Qinv.Bytes(),
		KeyOps: []*azkeys.KeyOperation{to.Ptr(azkeys.KeyOperationWrapKey), to.Ptr(azkeys.KeyOperationUnwrapKey)},
	}
	_, err = s.keys().ImportKey(t.Context(), "imported", azkeys.ImportKeyParameters{Key: &jwk}, nil)
	must(t, err)
	must(t, s.SetKey(t.Context(), client.Folder{Group: group}, "cluster-1", s.VaultURI, "imported"))
	s.mustSend("a", 100)
	s.holds(100)
	if c := s.cluster(); c.KeyName != "imported" || c.Logkeep.KeyState.State != "Active" {
		t.Fatalf("the cluster goes by %q, %s", c.KeyName, c.Logkeep.KeyState.State)
	}

	// Every number, as a wire or a file has it, in words of the machine as
	// arithmetic has it, and as text; of each a part is enough.
	needles := map[string][]byte{}
	for name, n := range map[string]*big.Int{"d": key.D, "p": key.Primes[0], "q": key.Primes[1], "dp": key.Precomputed.Dp, "dq": key.Precomputed.Dq} {
		b := n.Bytes()
		little := bytes.Clone(b)
		slices.Reverse(little)
		needles[name], needles[name+" in words"] = b[8:72], little[:64]
		text := []byte(base64.RawURLEncoding.EncodeToString(b))
		needles[name+" in JSON"] = text[12:76]
	}
	use := func() { // the vault unwraps with it
		w, err := s.keys().WrapKey(t.Context(), "imported", "", azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: make([]byte, 32)}, nil)
		must(t, err)
		_, err = s.keys().UnwrapKey(t.Context(), "imported", w.KID.Version(), azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: w.Result}, nil)
		must(t, err)
	}
	look := func(when string) (inVault int) {
		t.Helper()
		family := append(children(t, s.exe.Process.Pid), process{s.exe.Process})
		roles := map[string]int{}
		for _, p := range family {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Pid))
			role := string(bytes.TrimRight(line[bytes.IndexByte(line, 0)+1:], "\x00"))
			roles[role]++
			for name, n := range remains(t, p.Pid, needles) {
				switch {
				case role == "vault":
					inVault += n
				case n > 0:
					t.Errorf("%s: the private key's %s is %d times in the process %q", when, name, n, role)
				}
			}
		}
		if roles["vault"] != 1 || roles["keeper"] != 1 || roles["worker"] == 0 {
			t.Fatalf("%s: processes %v", when, roles)
		}
		return inVault
	}
	eventually(t, limit, "the private key in the vault's process, or the test sees nothing", func() error {
		use()
		if look("in use") == 0 {
			return errNotYet
		}
		return nil
	})
	s.mustSend("b", 100)
	s.holds(200)
	look("after more use")
	_, err = s.keys().UpdateKey(t.Context(), "imported", "", azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(false)}}, nil)
	must(t, err)
	eventually(t, limit, "the revocation", func() error {
		if _, err := s.count(); err == nil {
			return errNotYet
		}
		return nil
	})
	look("after the revocation")
}
