package seal

import (
	"encoding/binary"
	"errors"

	"logkeep/internal/schema"
)

// Numbers of the format. They are on disk: never change one.
const (
	purposeInner = 1
	purposeOuter = 2
	purposeMAC   = 3
)

// A Place says where a sealed object belongs. All of it is bound into the
// object: what was sealed for one place doesn't open at another. Fields that
// don't apply are empty; Kind and Object never are.
type Place struct {
	Tenant    schema.TenantID
	Cluster   schema.ClusterID
	Workspace schema.WorkspaceID
	Table     schema.TableName
	Kind      string // what it is: "segment", "journal", "vault-key", …
	Object    string // which one of its kind
}

var errPlace = errors.New("internal error: a place to seal for needs a kind and an object")

// context encodes p. Every string has its length before it and every number
// its fixed width, so that no two places share an encoding.
func (p Place) context(purpose byte, layers byte, generation uint32) ([]byte, error) {
	if p.Kind == "" || p.Object == "" {
		return nil, errPlace
	}
	b := make([]byte, 0, 7+6*4+len(p.Tenant)+len(p.Cluster)+len(p.Workspace)+len(p.Table)+len(p.Kind)+len(p.Object))
	b = append(b, version, purpose, layers)
	b = binary.BigEndian.AppendUint32(b, generation)
	for _, s := range [...]string{
		string(p.Tenant), string(p.Cluster), string(p.Workspace), string(p.Table), p.Kind, p.Object,
	} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b, nil
}
