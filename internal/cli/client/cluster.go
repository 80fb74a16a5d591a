package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

// clusterVersion is the api-version under which the generic client asks for clusters.
const clusterVersion = "2025-07-01"

// A Cluster is a dedicated cluster with Logkeep's own properties, which the
// typed client of the SDK would drop.
type Cluster struct {
	ID          string
	Name        string
	Location    string
	ClusterID   string // immutable
	PrincipalID string // of its identity
	VaultURI    string // "" under the service's key
	KeyName     string
	KeyVersion  string // as asked for: "" means always the newest
	Double      bool   // double encryption
	Logkeep     struct {
		Settings
		KeyState KeyState `json:"keyState"`
		Worker   struct {
			PID     int    `json:"pid"`
			Since   string `json:"since"`
			Sandbox string `json:"sandbox"`
			Readers []int  `json:"readers"`
		} `json:"worker"`
	}
}

// Settings are how a cluster behaves when its key does not; durations as ISO 8601
// has them.
type Settings struct {
	OutageGrace   string `json:"outageGrace,omitempty"`
	ProbeInterval string `json:"probeInterval,omitempty"`
	Lease         string `json:"lease,omitempty"`
	Drill         bool   `json:"drill,omitempty"` // it was made for a drill
}

// KeyState is the state of a customer's key as its cluster sees it.
type KeyState struct {
	State      string `json:"state"` // Active, Riding, Unreachable, Revoked, Damaged
	Since      string `json:"since"`
	Reason     string `json:"reason"`
	LastUnwrap string `json:"lastUnwrap"`
	NextProbe  string `json:"nextProbe"`
	KeyVersion string `json:"keyVersion"` // in use
	KeyExpires string `json:"keyExpires,omitempty"`
	Warning    string `json:"warning,omitempty"` // of its expiry

	// Spool is what came while the key could not be used and waits for it.
	Spool *struct {
		Batches      int64  `json:"batches"`
		Rows         int64  `json:"rows"`
		Bytes        int64  `json:"bytes"`
		Since        string `json:"since"`
		AsideBatches int64  `json:"asideBatches,omitempty"` // could not be imported
		AsideBytes   int64  `json:"asideBytes,omitempty"`
	} `json:"spool,omitempty"`
}

// Cluster reads one cluster.
func (s *Server) Cluster(ctx context.Context, id string) (Cluster, error) {
	client, err := armresources.NewClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return Cluster{}, err
	}
	got, err := client.GetByID(ctx, id, clusterVersion, nil)
	if err != nil {
		return Cluster{}, fmt.Errorf("read cluster: %w", err)
	}
	c := Cluster{ID: text(got.ID), Name: text(got.Name), Location: text(got.Location)}
	if got.Identity != nil {
		c.PrincipalID = text(got.Identity.PrincipalID)
	}
	properties, err := json.Marshal(got.Properties)
	if err != nil {
		return Cluster{}, err
	}
	var p struct {
		Key struct {
			URI     string `json:"keyVaultUri"`
			Name    string `json:"keyName"`
			Version string `json:"keyVersion"`
		} `json:"keyVaultProperties"`
		ClusterID string          `json:"clusterId"`
		Double    bool            `json:"isDoubleEncryptionEnabled"`
		Logkeep   json.RawMessage `json:"logkeep"`
	}
	if err := json.Unmarshal(properties, &p); err != nil {
		return Cluster{}, fmt.Errorf("cluster %s: %w", c.Name, err)
	}
	c.ClusterID, c.Double = p.ClusterID, p.Double
	c.VaultURI, c.KeyName, c.KeyVersion = p.Key.URI, p.Key.Name, p.Key.Version
	if len(p.Logkeep) > 0 {
		if err := json.Unmarshal(p.Logkeep, &c.Logkeep); err != nil {
			return Cluster{}, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
	}
	return c, nil
}

// Clusters reads all of the subscription.
func (s *Server) Clusters(ctx context.Context) ([]Cluster, error) {
	client, err := armoperationalinsights.NewClustersClient(s.SubscriptionID, s.credential, s.ARM())
	if err != nil {
		return nil, err
	}
	var clusters []Cluster
	for pager := client.NewListPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list clusters: %w", err)
		}
		for _, c := range page.Value {
			cluster, err := s.Cluster(ctx, text(c.ID))
			if err != nil {
				return nil, err
			}
			clusters = append(clusters, cluster)
		}
	}
	return clusters, nil
}

// Wait waits for a long-running operation, asking once a second.
func Wait[T any](ctx context.Context, poller *runtime.Poller[T], err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: time.Second})
}
