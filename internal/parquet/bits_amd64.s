#include "textflag.h"

// The eight values that begin at SI, each in a part of Y0.
#define EIGHT \
	VMOVDQU     (SI), X0; \
	VINSERTI128 $1, (SI)(R8*1), Y0, Y0; \
	VPSHUFB     Y1, Y0, Y0; \
	VPSRLVD     Y2, Y0, Y0; \
	VPAND       Y3, Y0, Y0

#define PATTERN(at) \
	VMOVDQU (at), Y1; \
	VMOVDQU 32(at), Y2; \
	VMOVDQU 64(at), Y3; \
	MOVQ    96(at), R8

// func unpackAVX2(to *uint32, b *byte, n, width int, by *pattern, most *[8]uint32)
TEXT ·unpackAVX2(SB), NOSPLIT, $0-48
	MOVQ  to+0(FP), DI
	MOVQ  b+8(FP), SI
	MOVQ  n+16(FP), CX
	MOVQ  width+24(FP), DX
	MOVQ  by+32(FP), AX
	MOVQ  most+40(FP), BX
	PATTERN(AX)
	VPXOR Y4, Y4, Y4

unpack:
	EIGHT
	VPMAXUD Y0, Y4, Y4
	VMOVDQU Y0, (DI)
	ADDQ    DX, SI
	ADDQ    $32, DI
	DECQ    CX
	JNZ     unpack
	VMOVDQU Y4, (BX)
	VZEROUPPER
	RET

// func matchAVX2(to *byte, b *byte, n, width int, by *pattern, of *[4]uint32)
TEXT ·matchAVX2(SB), NOSPLIT, $0-48
	MOVQ         to+0(FP), DI
	MOVQ         b+8(FP), SI
	MOVQ         n+16(FP), CX
	MOVQ         width+24(FP), DX
	MOVQ         by+32(FP), AX
	MOVQ         of+40(FP), BX
	PATTERN(AX)
	VPBROADCASTD (BX), Y4
	VPBROADCASTD 4(BX), Y5
	VPBROADCASTD 8(BX), Y6
	VPBROADCASTD 12(BX), Y7

match:
	EIGHT
	VPCMPEQD  Y0, Y4, Y8
	VPCMPEQD  Y0, Y5, Y9
	VPCMPEQD  Y0, Y6, Y10
	VPCMPEQD  Y0, Y7, Y11
	VPOR      Y8, Y9, Y8
	VPOR      Y10, Y11, Y10
	VPOR      Y8, Y10, Y8
	VMOVMSKPS Y8, R9
	MOVB      R9, (DI)
	ADDQ      DX, SI
	INCQ      DI
	DECQ      CX
	JNZ       match
	VZEROUPPER
	RET
