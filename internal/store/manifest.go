package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"logkeep/internal/schema"
	"logkeep/internal/seal"
	"logkeep/internal/segment"
)

// These numbers and names are on disk.
const (
	manifestKind       = "manifest"
	manifestVersion    = 2
	oldManifestVersion = 1
	macSize            = 1 + 4 + sha256.Size + sha256.Size
)

// ErrForged reports a manifest that the account's key did not make.
var ErrForged = errors.New("the manifest was changed outside of this account's key; restore the catalog from a backup")

// A Manifest is what the catalog says of an account: its segments and the head
// of the chain of changes. The zero Manifest is that of a new account.
type Manifest struct {
	Segments []segment.Info
	Aside    []schema.SegmentID // of Segments: their objects are gone or can't be used, and the next change removes them
	Seq      uint64             // number of the last change
	Floor    uint64             // journal numbers below it are in segments
	MAC      []byte             // over all of it, as Change gave it

	// Since, if it is not 0, says that Segments are those added since that change and
	// Removed those that went: a Follower is told no more than that.
	Since   uint64
	Removed []schema.SegmentID
}

// present returns the segments that are there to be read.
func (m Manifest) present() []segment.Info {
	if len(m.Aside) == 0 {
		return m.Segments
	}
	aside := make(map[schema.SegmentID]bool, len(m.Aside))
	for _, id := range m.Aside {
		aside[id] = true
	}
	return slices.DeleteFunc(slices.Clone(m.Segments), func(i segment.Info) bool { return aside[i.ID] })
}

// A Change is one step of a manifest.
type Change struct {
	Account schema.AccountID
	Add     []segment.Info
	Remove  []schema.SegmentID
	Seq     uint64
	Floor   uint64
	MAC     []byte
}

// A Committer stores changes durably.
//
// Commit stores a change whole or not at all: segments added and removed, and
// Seq, Floor and MAC replaced. It refuses a change whose Seq is not the stored
// one plus one, so that of two stores of one account one fails. But a change
// whose Seq and MAC are the stored ones has been committed before: then it
// returns nil and does nothing. After any other error the store does not know
// whether the change was stored, and commits the same one again.
type Committer interface {
	Commit(ctx context.Context, c Change) error
}

// head is the verified head of the chain.
type head struct {
	seq   uint64
	floor uint64
	mac   []byte
	all   listing // of its segments
}

// verify checks the manifest in cfg.
//
// MAC = version(1) generation(4) previous(32) mac(32), where previous is the
// SHA-256 of the MAC before, and mac is under the key of that generation, over
// version seq floor previous and the digest of the segments.
func verify(cfg Config) (head, error) {
	m := cfg.Manifest
	for _, info := range m.Segments {
		if info.Account != cfg.Account {
			return head{}, fmt.Errorf("%w: segment %s is of another account", ErrForged, info.ID)
		}
	}
	all, err := list(m.Segments)
	if err != nil {
		return head{}, err
	}
	return verifyListed(cfg, all)
}

// verifyListed checks the manifest in cfg, whose segments are those listed.
func verifyListed(cfg Config, all listing) (head, error) {
	m := cfg.Manifest
	if m.Seq == 0 {
		if all.count > 0 || m.Floor > 0 || len(m.MAC) > 0 {
			return head{}, ErrForged
		}
		return head{floor: 1}, nil
	}
	if len(m.MAC) == macSize && m.MAC[0] > manifestVersion {
		return head{}, fmt.Errorf("%w: its MAC is of version %d, this build knows %d; a newer release may have written it", ErrForged, m.MAC[0], manifestVersion)
	}
	if len(m.MAC) != macSize || m.MAC[0] < oldManifestVersion {
		return head{}, fmt.Errorf("%w: it has no MAC that this build knows", ErrForged)
	}
	generation := binary.BigEndian.Uint32(m.MAC[1:])
	previous := m.MAC[5 : 5+sha256.Size]
	k, err := cfg.Keys(generation)
	if err != nil {
		return head{}, fmt.Errorf("keys of generation %d, for the manifest: %w", generation, err)
	}
	data := manifestData(m.Seq, m.Floor, previous, all)
	if m.MAC[0] == oldManifestVersion {
		if len(m.Segments) != all.count {
			return head{}, fmt.Errorf("%w: one of version %d comes whole", ErrForged, oldManifestVersion)
		}
		data = oldManifestData(m.Seq, m.Floor, previous, m.Segments)
	}
	if err := k.VerifyMAC(manifestPlace(cfg), data, m.MAC[5+sha256.Size:]); err != nil {
		if errors.Is(err, seal.ErrTampered) {
			return head{}, ErrForged
		}
		return head{}, err
	}
	return head{m.Seq, m.Floor, bytes.Clone(m.MAC), all}, nil
}

// next makes the change that follows h: the segments that will be there after
// it, and the floor.
func (h head) next(cfg Config, k seal.Keys, floor uint64, all listing) (head, error) {
	n := head{seq: h.seq + 1, floor: floor, all: all}
	previous := sha256.Sum256(h.mac)
	mac, err := k.MAC(manifestPlace(cfg), manifestData(n.seq, floor, previous[:], all))
	if err != nil {
		return head{}, err
	}
	n.mac = append(n.mac, manifestVersion)
	n.mac = binary.BigEndian.AppendUint32(n.mac, k.Generation)
	n.mac = append(n.mac, previous[:]...)
	n.mac = append(n.mac, mac[:]...)
	return n, nil
}

func manifestPlace(cfg Config) seal.Place {
	p := cfg.Place
	p.Workspace, p.Table, p.Kind, p.Object = "", "", manifestKind, string(cfg.Account)
	return p
}

func manifestData(seq, floor uint64, previous []byte, all listing) []byte {
	b := appendMoment(nil, manifestVersion, seq, floor, previous, all.count)
	digest := all.digest()
	return append(b, digest[:]...)
}

func appendMoment(b []byte, version byte, seq, floor uint64, previous []byte, count int) []byte {
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint64(b, floor)
	b = append(b, previous...)
	return binary.BigEndian.AppendUint64(b, uint64(count))
}

// oldManifestData is what a MAC of version 1 is over: all segments, hashed anew
// for each change. The next change has one of the present version.
func oldManifestData(seq, floor uint64, previous []byte, segments []segment.Info) []byte {
	sorted := slices.Clone(segments)
	slices.SortFunc(sorted, func(x, y segment.Info) int { return strings.Compare(string(x.ID), string(y.ID)) })
	digest := sha256.New()
	var one []byte
	for _, info := range sorted {
		one = appendColumns(appendWhose(one[:0], info), info.Columns)
		digest.Write(one)
	}
	return digest.Sum(appendMoment(nil, oldManifestVersion, seq, floor, previous, len(sorted)))
}
