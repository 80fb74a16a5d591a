// Package seal turns plaintext into sealed bytes and back. Whatever reaches a
// disk or a bucket is a sealed object; nothing else may be stored. It is the
// only place that seals data, it does no I/O of its own, and it knows no vault.
//
// # Promise
//
// A sealed object opens only with the keys and at the place it was sealed for.
// Every other key, place, generation, number of layers, or a single changed,
// missing or added byte gives an error that is ErrTampered, and no byte of
// plaintext that was not sealed there. A Reader checks its length when it is
// opened and every chunk when it is read.
//
// # Object
//
//	object  = prefix message
//	prefix  = "LK" version(1) layers(1)       version 1; layers 1 or 2
//	message = inner                            layers = 1
//	        | outer                            layers = 2
//	inner   = salt(24) commitment(32) record…  C2SP chunked encryption, Cobblestone-256:
//	                                           AES-256-GCM, HKDF-SHA-512, 16 KiB chunks
//	record  = 16,384 bytes + tag(16), the last one shorter, perhaps only a tag
//	outer   = salt(24) commitment(32)          ChaCha20-Poly1305, HKDF-SHA-512
//	          box(inner's salt and commitment) tag(16)
//	          box(inner record) tag(16) …      one outer record per inner record
//
// The prefix is for people and for refusing; nothing is chosen by it. The keys
// say how many layers there must be.
//
// # Context
//
// Key, base nonce and commitment of a layer are
// HKDF-Expand-SHA-512(account key, label || 0x00 || salt || context), where the
// context names the place. Integers are big-endian, strings carry a 32-bit length:
//
//	context = version(1) purpose(1) layers(1) generation(4)
//	          tenant cluster workspace table kind object
//
// Purpose is 1 for the inner layer, 2 for the outer layer, 3 for a MAC.
//
// The salt is 24 random bytes, new for every object, so a message key is used
// for one message only and a message is never reopened for writing.
// docs/format/sealed.md has the bytes, docs/design/0002-sealed-format.md the why.
//
// # Keys in memory
//
// A Key lives outside Go's heap in a locked page that is left out of core dumps.
// The key schedules derived from it live on the heap while a Writer or Reader
// does: Destroy makes a key unusable, but only the end of the process makes
// certain that nothing remains.
package seal
