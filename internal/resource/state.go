package resource

import "strings"

// A State is a provisioning state.
type State string

// The provisioning states. They are on the wire.
const (
	Creating     State = "Creating"
	Provisioning State = "ProvisioningAccount"
	Updating     State = "Updating"
	Succeeded    State = "Succeeded"
	Failed       State = "Failed"
	Canceled     State = "Canceled"
	Deleting     State = "Deleting"
)

// Settled reports whether no operation is running.
func (s State) Settled() bool { return s == Succeeded || s == Failed || s == Canceled }

// An ETag names one version of a resource; it is opaque and not quoted.
type ETag string

// Matches reports whether an If-Match (or If-None-Match) header names e: any
// of its tags, weak or strong, or *. An e that is empty exists nowhere and
// matches nothing.
func (e ETag) Matches(header string) bool {
	if e == "" {
		return false
	}
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || strings.Trim(tag, `"`) == string(e) {
			return true
		}
	}
	return false
}
