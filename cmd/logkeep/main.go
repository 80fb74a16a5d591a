// Logkeep keeps logs under a key that stays with its owner.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"logkeep/internal/cli"
	"logkeep/internal/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, server.Commands())
	stop()
	os.Exit(code)
}
