#include "textflag.h"

// Sixteen bytes at a time, with what every amd64 processor has. A byte is in a range
// if what it is above the first is the smaller of itself and what the last is above
// the first, without signs.

#define ALL(byte, x) \
	MOVQ $byte, DX; \
	MOVQ DX, x; \
	PUNPCKLQDQ x, x

// The marks of the sixteen bytes at off of SI, as the highest bits of R8, R9, R10.
#define SIXTEEN(off) \
	MOVOU off(SI), X0; \
	MOVO X0, X1; \
	PSUBB X8, X1; \
	MOVO X1, X2; \
	PMINUB X9, X2; \
	PCMPEQB X2, X1; \
	MOVO X0, X3; \
	POR X10, X3; \
	PSUBB X11, X3; \
	MOVO X3, X4; \
	PMINUB X12, X4; \
	PCMPEQB X4, X3; \
	PSUBB X11, X0; \
	MOVO X0, X5; \
	PMINUB X13, X5; \
	PCMPEQB X0, X5; \
	PANDN X3, X5; \
	POR X1, X3; \
	PMOVMSKB X1, AX; \
	PMOVMSKB X3, BX; \
	PMOVMSKB X5, DX; \
	SHRQ $16, R8; \
	SHLQ $48, AX; \
	ORQ AX, R8; \
	SHRQ $16, R9; \
	SHLQ $48, BX; \
	ORQ BX, R9; \
	SHRQ $16, R10; \
	SHLQ $48, DX; \
	ORQ DX, R10

// func mark16(to *marks, src *byte, blocks int)
TEXT ·mark16(SB), NOSPLIT, $0-24
	MOVQ to+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ blocks+16(FP), CX
	ALL(0x3030303030303030, X8)  // '0'
	ALL(0x0909090909090909, X9)
	ALL(0x2020202020202020, X10) // what makes a letter small
	ALL(0x6161616161616161, X11) // 'a'
	ALL(0x1919191919191919, X12)
	ALL(0x0505050505050505, X13)

block:
	SIXTEEN(0)
	SIXTEEN(16)
	SIXTEEN(32)
	SIXTEEN(48)
	MOVQ R8, (DI)
	MOVQ R9, 8(DI)
	MOVQ R10, 16(DI)
	ADDQ $64, SI
	ADDQ $24, DI
	DECQ CX
	JNZ  block
	RET

// The same of 32 bytes at a time: the marks of those at off of SI, as AX, BX, DX.
#define THIRTY_TWO(off) \
	VMOVDQU off(SI), Y0; \
	VPSUBB  Y8, Y0, Y1; \
	VPMINUB Y9, Y1, Y2; \
	VPCMPEQB Y2, Y1, Y1; \
	VPOR    Y10, Y0, Y3; \
	VPSUBB  Y11, Y3, Y3; \
	VPMINUB Y12, Y3, Y4; \
	VPCMPEQB Y4, Y3, Y3; \
	VPSUBB  Y11, Y0, Y0; \
	VPMINUB Y13, Y0, Y5; \
	VPCMPEQB Y0, Y5, Y5; \
	VPANDN  Y3, Y5, Y5; \
	VPOR    Y1, Y3, Y3; \
	VPMOVMSKB Y1, AX; \
	VPMOVMSKB Y3, BX; \
	VPMOVMSKB Y5, DX

// '0', how many digits are behind it, what makes a letter small, 'a', how many letters
// are behind it, and how many of these are hex.
DATA bounds<>+0(SB)/8, $0x0000051961200930
GLOBL bounds<>(SB), RODATA|NOPTR, $8

// func mark32(to *marks, src *byte, blocks int)
TEXT ·mark32(SB), NOSPLIT, $0-24
	MOVQ to+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ blocks+16(FP), CX
	VPBROADCASTB bounds<>(SB), Y8
	VPBROADCASTB bounds<>+1(SB), Y9
	VPBROADCASTB bounds<>+2(SB), Y10
	VPBROADCASTB bounds<>+3(SB), Y11
	VPBROADCASTB bounds<>+4(SB), Y12
	VPBROADCASTB bounds<>+5(SB), Y13

block:
	THIRTY_TWO(0)
	MOVL AX, R8
	MOVL BX, R9
	MOVL DX, R10
	THIRTY_TWO(32)
	SHLQ $32, AX
	ORQ  AX, R8
	SHLQ $32, BX
	ORQ  BX, R9
	SHLQ $32, DX
	ORQ  DX, R10
	MOVQ R8, (DI)
	MOVQ R9, 8(DI)
	MOVQ R10, 16(DI)
	ADDQ $64, SI
	ADDQ $24, DI
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET
