package spool_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/spool"
	"logkeep/internal/wrap/wraptest"
)

// A fixture is a file of format version 1 with what opens it. It was written
// once and is never rewritten: whatever changes, such files must be read.
type fixture struct {
	Integrity []byte   // the public key, uncompressed
	Private   [][]byte // halves
	File      []byte
}

const fixtureFile = "testdata/version-1.json"

var writeFixture = flag.Bool("write-fixture", false, "write "+fixtureFile+" if there is none")

func TestFilesOfVersion1AreRead(t *testing.T) {
	const name = "spool/0000000000000001.spool"
	if *writeFixture {
		in, fs := install(t, 2), disktest.New()
		s := openSpool(t, fs)
		for n := range 2 {
			must(t, s.Append(t.Context(), in.key, in.writer, batch(n)))
		}
		public, err := in.Key.PublicKey.Bytes()
		must(t, err)
		text, err := json.MarshalIndent(fixture{public, in.private, fs.Bytes(name)}, "", "  ")
		must(t, err)
		f, err := os.OpenFile(fixtureFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		must(t, err)
		defer f.Close()
		_, err = f.Write(append(text, '\n'))
		must(t, err)
	}
	text, err := os.ReadFile(fixtureFile)
	must(t, err)
	var x fixture
	must(t, json.Unmarshal(text, &x))
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), x.Integrity)
	must(t, err)
	in := &installation{t: t, Signer: wraptest.Signer{Key: &ecdsa.PrivateKey{PublicKey: *pub}}, private: x.Private}
	got := in.drain(with(t, name, x.File), 0)
	if len(got.payloads) != 2 || got.payloads[0] != "w/T_CL/0/canary-0" || got.payloads[1] != "w/T_CL/1/canary-1" || got.aside+got.missing+got.torn > 0 {
		t.Errorf("got %+v", got)
	}
	if file, _, err := spool.OpenFolder(with(t, name, x.File), spool.Dir, place, pub, 0, 1).Next(); err != nil || file.Key.Generation != 2 || len(file.Key.Pairs) != 2 {
		t.Errorf("the key is %+v (%v)", file.Key, err)
	}
}

// A spool of a later format is refused in words that tell what it is, and kept.
func TestANewerSpoolIsToldAsSuch(t *testing.T) {
	const name = "spool/0000000000000001.spool"
	in, fs := install(t, 1), disktest.New()
	must(t, openSpool(t, fs).Append(t.Context(), in.key, in.writer, batch(0)))
	b := bytes.Clone(fs.Bytes(name))
	b[3]++
	newer := with(t, name, b)
	if _, _, err := in.folder(newer, 0, 1).Next(); !errors.Is(err, spool.ErrNewer) || !strings.Contains(err.Error(), "version 2, this build knows 1") {
		t.Errorf("%v", err)
	}
	if !bytes.Equal(newer.Bytes(name), b) {
		t.Error("it was changed")
	}
}
