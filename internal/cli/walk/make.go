package walk

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
)

const keyName = "logs"

// folder is where the walk makes everything.
func (w *walker) folder() client.Folder {
	return client.Folder{Group: w.name, Location: w.location}
}

func (w *walker) makeGroup(ctx context.Context) error {
	return w.step(ctx, stepLimit, "resource group", func(ctx context.Context) (string, error) {
		return w.name, w.Server.CreateGroup(ctx, w.folder())
	})
}

// makeVault makes a vault that cannot lose a key, and in it an RSA key.
func (w *walker) makeVault(ctx context.Context) error {
	err := w.step(ctx, stepLimit, "vault", func(ctx context.Context) (string, error) {
		var err error
		w.vaultID, w.vaultURI, err = w.Server.CreateVault(ctx, w.folder(), w.name)
		return w.vaultURI + " with soft delete and purge protection", err
	})
	if err != nil {
		return err
	}
	return w.step(ctx, stepLimit, "key", func(ctx context.Context) (string, error) {
		if w.Server.ObjectID != "" {
			if err := w.Server.Assign(ctx, w.vaultID, client.RoleCryptoOfficer, w.Server.ObjectID); err != nil {
				return "", err
			}
		}
		keys, err := w.Server.Keys(w.vaultURI)
		if err != nil {
			return "", err
		}
		key, err := keys.CreateKey(ctx, keyName, azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr(int32(3072))}, nil)
		if err != nil {
			return "", err
		}
		w.key = key.Key.KID.Version()
		return fmt.Sprintf("RSA-3072 %s, version %s; it never leaves the vault", keyName, w.key), nil
	})
}

func (w *walker) makeCluster(ctx context.Context) error {
	return w.step(ctx, stepLimit, "cluster", func(ctx context.Context) (string, error) {
		var err error
		w.clusterID, err = w.Server.CreateCluster(ctx, w.folder(), w.name)
		return w.name + " with an identity of its own", err
	})
}

func (w *walker) grantCluster(ctx context.Context) error {
	return w.step(ctx, stepLimit, "role", func(ctx context.Context) (string, error) {
		cluster, err := w.Server.Cluster(ctx, w.clusterID)
		if err != nil {
			return "", err
		}
		if cluster.PrincipalID == "" {
			return "", fmt.Errorf("cluster %s has no identity", cluster.Name)
		}
		return "the cluster's identity may read, wrap and unwrap with the vault's keys", w.Server.Assign(ctx, w.vaultID, client.RoleCryptoServiceUser, cluster.PrincipalID)
	})
}

func (w *walker) setKey(ctx context.Context) error {
	return w.step(ctx, stepLimit, "key on cluster", func(ctx context.Context) (string, error) {
		if err := w.Server.SetKey(ctx, w.folder(), w.name, w.vaultURI, keyName); err != nil {
			return "", err
		}
		cluster, err := w.Server.Cluster(ctx, w.clusterID)
		if err == nil && (cluster.KeyName != keyName || cluster.Logkeep.KeyState.State != "Active") {
			err = fmt.Errorf("the cluster's key is %q in state %q, want %q Active", cluster.KeyName, cluster.Logkeep.KeyState.State, keyName)
		}
		return "always the newest version", err
	})
}

func (w *walker) makeWorkspace(ctx context.Context) error {
	return w.step(ctx, stepLimit, "workspace", func(ctx context.Context) (string, error) {
		var err error
		w.workspace, err = w.Server.CreateWorkspace(ctx, w.folder(), w.name)
		return w.name, err
	})
}

func (w *walker) makeTable(ctx context.Context) error {
	return w.step(ctx, stepLimit, "table", func(ctx context.Context) (string, error) {
		if err := w.Server.CreateTable(ctx, w.workspace, w.table); err != nil {
			return "", err
		}
		var err error
		w.target, err = w.Server.Collect(ctx, w.workspace, w.table, w.name)
		return fmt.Sprintf("%s with %d columns, fed by %s", w.table.Name, len(w.table.Columns), w.target.Endpoint), err
	})
}

func (w *walker) link(ctx context.Context) error {
	return w.step(ctx, stepLimit, "link", func(ctx context.Context) (string, error) {
		return "the workspace's logs now lie under the cluster's key", w.Server.LinkWorkspace(ctx, w.workspace, w.clusterID)
	})
}
