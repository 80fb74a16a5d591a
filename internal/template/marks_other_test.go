//go:build !amd64

package template

var markPlainly = mark
