package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

// A KeyUse is one version of a key and what a cluster needs it for.
type KeyUse struct {
	KID     string `json:"kid"`
	Holder  string `json:"holder"` // Customer or Service
	Current bool   `json:"current"`
	Wraps   []struct {
		Account    string `json:"account"`
		Generation int    `json:"generation"`
		Layer      string `json:"layer"` // Only, Inner, Outer
	} `json:"wraps"`
	Objects       int       `json:"objects"`
	Bytes         int64     `json:"bytes"`
	Backups       int       `json:"backups"` // that hold keys wrapped under it
	LastUsed      time.Time `json:"lastUsed"`
	SafeToDisable bool      `json:"safeToDisable"`
	Reason        string    `json:"reason"`
}

// A Covered is a number of objects at rest that have the same keys.
type Covered struct {
	Kind       string `json:"kind"`
	Account    string `json:"account"`
	Generation int    `json:"generation"`
	Key        string `json:"key"`
	OuterKey   string `json:"outerKey"`
	Layers     int    `json:"layers"`
	Objects    int    `json:"objects"`
	Bytes      int64  `json:"bytes"`
}

// AtRest is a kind of file that the server has, and what of it is in the clear.
type AtRest struct {
	Kind       string `json:"kind"`
	Where      string `json:"where"`
	What       string `json:"what"`
	SealedWith string `json:"sealedWith"`
	Clear      string `json:"clear"`
	Why        string `json:"why"`
}

// Census asks what each key version is needed for by a cluster. whole is the
// server's answer.
func (s *Server) Census(ctx context.Context, clusterID string) (keys []KeyUse, whole json.RawMessage, err error) {
	var answer struct {
		Keys []KeyUse `json:"keys"`
	}
	whole, err = s.below(ctx, clusterID, "keyCensus", &answer)
	return answer.Keys, whole, err
}

// A KeyEvent is something that happened to a cluster's key.
type KeyEvent struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"` // State, Key, Version or Spool
	From   string    `json:"from"`
	To     string    `json:"to"`
	Reason string    `json:"reason"`
}

// KeyEvents asks what happened to a cluster's key, newest first. whole is the
// server's answer.
func (s *Server) KeyEvents(ctx context.Context, clusterID string) (events []KeyEvent, whole json.RawMessage, err error) {
	var answer struct {
		Value []KeyEvent `json:"value"`
	}
	whole, err = s.below(ctx, clusterID, "keyEvents", &answer)
	return answer.Value, whole, err
}

// Coverage asks what lies at rest for a cluster. whole is the server's answer.
func (s *Server) Coverage(ctx context.Context, clusterID string) (data []Covered, kinds []AtRest, whole json.RawMessage, err error) {
	var answer struct {
		Data  []Covered `json:"data"`
		Kinds []AtRest  `json:"kinds"`
	}
	whole, err = s.below(ctx, clusterID, "coverage", &answer)
	return answer.Data, answer.Kinds, whole, err
}

// below reads what a cluster has under a name that no SDK knows.
func (s *Server) below(ctx context.Context, clusterID, name string, into any) (json.RawMessage, error) {
	whole, err := s.ask(ctx, http.MethodGet, clusterID, name, nil)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's %s: %w", name, err)
	}
	if err := json.Unmarshal(whole, into); err != nil {
		return nil, fmt.Errorf("read the cluster's %s: %w", name, err)
	}
	return whole, nil
}

// ask makes a request that no SDK knows, and returns the body of the answer.
func (s *Server) ask(ctx context.Context, method, clusterID, name string, body []byte) ([]byte, error) {
	client, err := arm.NewClient("logkeep", "v1.0.0", s.credential, s.ARM())
	if err != nil {
		return nil, err
	}
	request, err := runtime.NewRequest(ctx, method, runtime.JoinPaths(client.Endpoint(), clusterID, name))
	if err != nil {
		return nil, err
	}
	request.Raw().URL.RawQuery = "api-version=" + clusterVersion
	if body != nil {
		if err := request.SetBody(streaming.NopCloser(bytes.NewReader(body)), "application/json"); err != nil {
			return nil, err
		}
	}
	response, err := client.Pipeline().Do(request)
	if err != nil {
		return nil, err
	}
	if !runtime.HasStatusCode(response, http.StatusOK) {
		return nil, runtime.NewResponseError(response)
	}
	return runtime.Payload(response)
}
