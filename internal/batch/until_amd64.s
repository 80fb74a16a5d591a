#include "textflag.h"

// Sixteen bytes at a time, with what every amd64 processor has. As signed bytes, those
// below a blank are control characters and whatever is not ASCII.

// What is looked for: quotes in X1, backslashes in X2, blanks in X3.
DATA lookedFor<>+0(SB)/8, $0x2222222222222222
DATA lookedFor<>+8(SB)/8, $0x2222222222222222
DATA lookedFor<>+16(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA lookedFor<>+24(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA lookedFor<>+32(SB)/8, $0x2020202020202020
DATA lookedFor<>+40(SB)/8, $0x2020202020202020
GLOBL lookedFor<>(SB), RODATA|NOPTR, $48

#define LOOKED_FOR \
	MOVOU lookedFor<>+0(SB), X1; \
	MOVOU lookedFor<>+16(SB), X2; \
	MOVOU lookedFor<>+32(SB), X3

// A bit in DX for each byte of X0 at which to stop.
#define STOPS \
	MOVOA X0, X4; \
	PCMPEQB X1, X4; \
	MOVOA X3, X5; \
	PCMPGTB X0, X5; \
	PCMPEQB X2, X0; \
	POR X5, X4; \
	POR X0, X4; \
	PMOVMSKB X4, DX

// func copyUntil(dst, src *byte, n int) int
TEXT ·copyUntil(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	XORQ AX, AX
	SUBQ $16, CX
	JLT  done
	LOOKED_FOR

loop:
	MOVOU    (SI)(AX*1), X0
	MOVOU    X0, (DI)(AX*1)
	STOPS
	TESTL    DX, DX
	JNZ      found
	ADDQ     $16, AX
	CMPQ     AX, CX
	JLE      loop

done:
	MOVQ AX, ret+24(FP)
	RET

found:
	BSFL DX, DX
	ADDQ DX, AX
	MOVQ AX, ret+24(FP)
	RET

// func until(src *byte, n int) int
TEXT ·until(SB), NOSPLIT, $0-24
	MOVQ src+0(FP), SI
	MOVQ n+8(FP), CX
	XORQ AX, AX
	SUBQ $16, CX
	JLT  done
	LOOKED_FOR

loop:
	MOVOU    (SI)(AX*1), X0
	STOPS
	TESTL    DX, DX
	JNZ      found
	ADDQ     $16, AX
	CMPQ     AX, CX
	JLE      loop

done:
	MOVQ AX, ret+16(FP)
	RET

found:
	BSFL DX, DX
	ADDQ DX, AX
	MOVQ AX, ret+16(FP)
	RET
