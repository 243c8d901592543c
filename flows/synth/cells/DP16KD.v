// A block RAM of 18 Kbit of the ECP5: two ports of 9, 18 or 36 bits. With 36, port A writes
// {DIB, DIA} and port B reads {DOB, DOA}. REGMODE OUTREG: a register of the port's clock behind its
// outputs takes them while OCE is high. No resets, no selects.
// A byte that is written by one port while the other reads it comes out inverted: it is undefined,
// and what depends on it must not pass unseen.
// Our model of the primitive's public function; synthesis knows the primitive itself.
module DP16KD #(
    parameter integer DATA_WIDTH_A = 18, parameter integer DATA_WIDTH_B = 18,
    parameter WRITEMODE_A = "NORMAL", parameter WRITEMODE_B = "NORMAL",
    parameter REGMODE_A = "NOREG", parameter REGMODE_B = "NOREG",
    parameter CSDECODE_A = "0b000", parameter CSDECODE_B = "0b000",
    parameter CLKAMUX = "CLKA", parameter CLKBMUX = "CLKB",
    parameter RESETMODE = "SYNC", parameter ASYNC_RESET_RELEASE = "SYNC", parameter GSR = "AUTO",
    parameter [319:0] INITVAL_00 = 320'd0, parameter [319:0] INITVAL_01 = 320'd0, parameter
    [319:0] INITVAL_02 = 320'd0, parameter [319:0] INITVAL_03 = 320'd0, parameter [319:0]
    INITVAL_04 = 320'd0, parameter [319:0] INITVAL_05 = 320'd0, parameter [319:0] INITVAL_06 =
    320'd0, parameter [319:0] INITVAL_07 = 320'd0, parameter [319:0] INITVAL_08 = 320'd0,
    parameter [319:0] INITVAL_09 = 320'd0, parameter [319:0] INITVAL_0A = 320'd0, parameter
    [319:0] INITVAL_0B = 320'd0, parameter [319:0] INITVAL_0C = 320'd0, parameter [319:0]
    INITVAL_0D = 320'd0, parameter [319:0] INITVAL_0E = 320'd0, parameter [319:0] INITVAL_0F =
    320'd0, parameter [319:0] INITVAL_10 = 320'd0, parameter [319:0] INITVAL_11 = 320'd0,
    parameter [319:0] INITVAL_12 = 320'd0, parameter [319:0] INITVAL_13 = 320'd0, parameter
    [319:0] INITVAL_14 = 320'd0, parameter [319:0] INITVAL_15 = 320'd0, parameter [319:0]
    INITVAL_16 = 320'd0, parameter [319:0] INITVAL_17 = 320'd0, parameter [319:0] INITVAL_18 =
    320'd0, parameter [319:0] INITVAL_19 = 320'd0, parameter [319:0] INITVAL_1A = 320'd0,
    parameter [319:0] INITVAL_1B = 320'd0, parameter [319:0] INITVAL_1C = 320'd0, parameter
    [319:0] INITVAL_1D = 320'd0, parameter [319:0] INITVAL_1E = 320'd0, parameter [319:0]
    INITVAL_1F = 320'd0, parameter [319:0] INITVAL_20 = 320'd0, parameter [319:0] INITVAL_21 =
    320'd0, parameter [319:0] INITVAL_22 = 320'd0, parameter [319:0] INITVAL_23 = 320'd0,
    parameter [319:0] INITVAL_24 = 320'd0, parameter [319:0] INITVAL_25 = 320'd0, parameter
    [319:0] INITVAL_26 = 320'd0, parameter [319:0] INITVAL_27 = 320'd0, parameter [319:0]
    INITVAL_28 = 320'd0, parameter [319:0] INITVAL_29 = 320'd0, parameter [319:0] INITVAL_2A =
    320'd0, parameter [319:0] INITVAL_2B = 320'd0, parameter [319:0] INITVAL_2C = 320'd0,
    parameter [319:0] INITVAL_2D = 320'd0, parameter [319:0] INITVAL_2E = 320'd0, parameter
    [319:0] INITVAL_2F = 320'd0, parameter [319:0] INITVAL_30 = 320'd0, parameter [319:0]
    INITVAL_31 = 320'd0, parameter [319:0] INITVAL_32 = 320'd0, parameter [319:0] INITVAL_33 =
    320'd0, parameter [319:0] INITVAL_34 = 320'd0, parameter [319:0] INITVAL_35 = 320'd0,
    parameter [319:0] INITVAL_36 = 320'd0, parameter [319:0] INITVAL_37 = 320'd0, parameter
    [319:0] INITVAL_38 = 320'd0, parameter [319:0] INITVAL_39 = 320'd0, parameter [319:0]
    INITVAL_3A = 320'd0, parameter [319:0] INITVAL_3B = 320'd0, parameter [319:0] INITVAL_3C =
    320'd0, parameter [319:0] INITVAL_3D = 320'd0, parameter [319:0] INITVAL_3E = 320'd0,
    parameter [319:0] INITVAL_3F = 320'd0
) (
    input CLKA, input CEA, input OCEA, input WEA, input RSTA,
    input CSA2, input CSA1, input CSA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5,
    DIA4, DIA3, DIA2, DIA1, DIA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
    DOA4, DOA3, DOA2, DOA1, DOA0,
    input CLKB, input CEB, input OCEB, input WEB, input RSTB,
    input CSB2, input CSB1, input CSB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5,
    DIB4, DIB3, DIB2, DIB1, DIB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
    DOB4, DOB3, DOB2, DOB1, DOB0
);
    localparam BYTES_A = DATA_WIDTH_A / 9;
    localparam BYTES_B = DATA_WIDTH_B / 9;
    localparam [20479:0] INIT = {
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39,
        INITVAL_38, INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32,
        INITVAL_31, INITVAL_30, INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B,
        INITVAL_2A, INITVAL_29, INITVAL_28, INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24,
        INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20, INITVAL_1F, INITVAL_1E, INITVAL_1D,
        INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18, INITVAL_17, INITVAL_16,
        INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10, INITVAL_0F,
        INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
        INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01,
        INITVAL_00
    };
    generate
        if (DATA_WIDTH_A % 9 != 0 || DATA_WIDTH_B % 9 != 0
                || (BYTES_B == 4 && REGMODE_A != REGMODE_B) || CLKAMUX != "CLKA" || CLKBMUX != "CLKB")
            this_mode_of_DP16KD_is_not_modelled stop ();
    endgenerate

    wire [13:0] ada = {
        ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0
    };
    wire [13:0] adb = {
        ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0
    };
    wire [35:0] dia = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5,
        DIB4, DIB3, DIB2, DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10,
        DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0
    };
    wire [35:0] dib = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5,
        DIB4, DIB3, DIB2, DIB1, DIB0
    };
    localparam [3:0] LANES_A = (1 << BYTES_A) - 1;
    localparam [3:0] LANES_B = (1 << BYTES_B) - 1;
    wire [3:0] write_a = {4{CEA & WEA}} & LANES_A & (BYTES_A == 1 ? 4'b0001 : ada[3:0]);
    wire [3:0] write_b = {4{CEB & WEB}} & LANES_B & (BYTES_B == 1 ? 4'b0001 : adb[3:0]);
    // the first byte of each port's word
    wire [10:0] first_a = ada[13:3] & ~(BYTES_A - 11'd1);
    wire [10:0] first_b = adb[13:3] & ~(BYTES_B - 11'd1);
    wire by_a = CEA & (~WEA | WRITEMODE_A != "NORMAL");
    wire by_b = CEB & (~WEB | WRITEMODE_B != "NORMAL");

    reg [8:0] bytes [0:2047];
    reg [35:0] out_a, out_b;
    integer i, j;
    initial for (i = 0; i < 2048; i = i + 1)
        bytes[i] = INIT[i / 32 * 320 + i % 32 / 2 * 20 + i % 2 * 9 +: 9];

    function hit(input [10:0] place, input [10:0] first, input [3:0] written);
        hit = written != 0 && place - first < 4 && written[place - first];
    endfunction

    always @(posedge CLKA) begin
        for (i = 0; i < BYTES_A; i = i + 1) begin
            if (write_a[i]) bytes[first_a + i] <= dia[9 * i +: 9];
            if (by_a) out_a[9 * i +: 9] <= WRITEMODE_A == "WRITETHROUGH" && write_a[i]
                ? dia[9 * i +: 9] : bytes[first_a + i] ^ {9{hit(first_a + i, first_b, write_b)}};
        end
    end
    always @(posedge CLKB) begin
        for (j = 0; j < BYTES_B; j = j + 1) begin
            if (write_b[j]) bytes[first_b + j] <= dib[9 * j +: 9];
            if (by_b) out_b[9 * j +: 9] <= WRITEMODE_B == "WRITETHROUGH" && write_b[j]
                ? dib[9 * j +: 9] : bytes[first_b + j] ^ {9{hit(first_b + j, first_a, write_a)}};
        end
    end
    reg [35:0] kept_a = 0, kept_b = 0;
    always @(posedge CLKA) if (OCEA) kept_a <= out_a;
    always @(posedge CLKB) if (OCEB) kept_b <= out_b;
    wire [35:0] shown_a = REGMODE_A == "OUTREG" ? kept_a : out_a;
    wire [35:0] shown_b = REGMODE_B == "OUTREG" ? kept_b : out_b;
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
    DOA4, DOA3, DOA2, DOA1, DOA0}
        = BYTES_B == 4 ? shown_b[17:0] : shown_a[17:0];
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
    DOB4, DOB3, DOB2, DOB1, DOB0}
        = BYTES_B == 4 ? shown_b[35:18] : shown_b[17:0];
endmodule
