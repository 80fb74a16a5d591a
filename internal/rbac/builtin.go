package rbac

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"logkeep/internal/resource"
)

// Names of built-in roles that the program itself speaks of.
const (
	Owner                   = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	Reader                  = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	CryptoOfficer           = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"
	CryptoServiceUser       = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
	MetricsPublisher        = "3913510d-42f4-4e42-8a64-420c390055eb"
	LogAnalyticsReader      = "73c42c96-874c-492b-b04d-ab87d138a893"
	UserAccessAdministrator = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
)

// builtin.json holds the ids, names and permissions of Azure's built-in roles
// that concern us, as Microsoft publishes them ("Azure built-in roles").
//
//go:embed builtin.json
var builtinJSON []byte

var builtin = sync.OnceValue(func() []Definition {
	var rows []struct {
		Name        string       `json:"name"`
		RoleName    string       `json:"roleName"`
		Permissions []Permission `json:"permissions"`
	}
	if err := json.Unmarshal(builtinJSON, &rows); err != nil {
		panic(fmt.Sprintf("internal error: built-in roles: %v", err))
	}
	all := make([]Definition, len(rows))
	for i, r := range rows {
		all[i] = Definition{Name: r.Name, RoleName: r.RoleName, Permissions: r.Permissions, AssignableScopes: []resource.ID{resource.Root()}}
	}
	slices.SortFunc(all, func(a, b Definition) int { return strings.Compare(a.RoleName, b.RoleName) })
	return all
})

// BuiltIn returns the built-in roles by name. The caller must not change them.
func BuiltIn() []Definition { return builtin() }
