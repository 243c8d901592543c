"""Tcl for Vivado 2022.2 or later: packages the core, and builds a design around a Zynq.

Not run here: there is no Vivado in this project's tests. Commands are those of UG835 and UG1118.
"""

from __future__ import annotations

from boards.loader import Board
from hw.overlay import TOP

VENDOR = "bitwright"
CORE = f"{VENDOR}:accelerators:{TOP}:1.0"

PACKAGE = f"""\
# Packages hdl/{TOP}.v as an IP core in core/.
#   vivado -mode batch -source package_ip.tcl
set here [file dirname [file normalize [info script]]]
create_project package [file join $here build package] -part PART -force
add_files [file join $here hdl {TOP}.v]
set_property top {TOP} [current_fileset]
update_compile_order -fileset sources_1

# the ports' names say what they are: s_axil, m_axi, aclk, aresetn
ipx::package_project -root_dir [file join $here core] -vendor {VENDOR} -library accelerators \\
    -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property version 1.0 $core
set_property display_name "bitwright overlay" $core
ipx::associate_bus_interfaces -busif s_axil -clock aclk $core
ipx::associate_bus_interfaces -busif m_axi -clock aclk $core
ipx::infer_bus_interface irq xilinx.com:signal:interrupt_rtl:1.0 $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
"""

BUILD = f"""\
# Builds a design with the processing system, the core and its clock: bitwright.bit, bitwright.hwh.
#   vivado -mode batch -source build.tcl         (after package_ip.tcl)
set here [file dirname [file normalize [info script]]]
create_project system [file join $here build system] -part PART -force
set_property ip_repo_paths [file join $here core] [current_project]
update_ip_catalog
create_bd_design system

create_bd_cell -type ip -vlnv PS_IP ps
apply_bd_automation -rule PS_RULE [get_bd_cells ps]
set_property -dict [list PS_SETTINGS] [get_bd_cells ps]
create_bd_cell -type ip -vlnv {CORE} overlay
apply_bd_automation -rule xilinx.com:bd_rule:axi4 \\
    -config {{Master "/ps/PS_MASTER" Slave "/overlay/s_axil" Clk "Auto"}} \\
    [get_bd_intf_pins overlay/s_axil]
apply_bd_automation -rule xilinx.com:bd_rule:axi4 \\
    -config {{Master "/overlay/m_axi" Slave "/ps/PS_SLAVE" Clk "Auto"}} \\
    [get_bd_intf_pins ps/PS_SLAVE]
connect_bd_net [get_bd_pins overlay/irq] [get_bd_pins ps/PS_IRQ]
assign_bd_address
validate_bd_design
save_bd_design

make_wrapper -files [get_files system.bd] -top -import
set_property top system_wrapper [current_fileset]
launch_runs impl_1 -to_step write_bitstream -jobs 4
wait_on_run impl_1
if {{[get_property STATS.WNS [get_runs impl_1]] < 0}} {{
    error "timing is missed: lower the clock"
}}
set run [get_property DIRECTORY [get_runs impl_1]]
file copy -force [file join $run system_wrapper.bit] [file join $here bitwright.bit]
set handoff [glob [file join $here build system system.gen sources_1 bd system hw_handoff *.hwh]]
file copy -force [lindex $handoff 0] [file join $here bitwright.hwh]
"""

PROCESSORS = {
    "zynq7": {
        "PS_IP": "xilinx.com:ip:processing_system7",
        "PS_RULE": 'xilinx.com:bd_rule:processing_system7 -config {make_external "FIXED_IO, DDR"}',
        "PS_SETTINGS": "CONFIG.PCW_CRYSTAL_PERIPHERAL_FREQMHZ {CRYSTAL_MHZ} "
        "CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ {CLOCK_MHZ} CONFIG.PCW_USE_S_AXI_HP0 {1} "
        "CONFIG.PCW_USE_FABRIC_INTERRUPT {1} CONFIG.PCW_IRQ_F2P_INTR {1}",
        "PS_MASTER": "M_AXI_GP0",
        "PS_SLAVE": "S_AXI_HP0",
        "PS_IRQ": "IRQ_F2P",
    },
    "zynqmp": {
        "PS_IP": "xilinx.com:ip:zynq_ultra_ps_e",
        "PS_RULE": "xilinx.com:bd_rule:zynq_ultra_ps_e",
        "PS_SETTINGS": "CONFIG.PSU__PSS_REF_CLK__FREQMHZ {CRYSTAL_MHZ} "
        "CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ {CLOCK_MHZ} "
        "CONFIG.PSU__USE__S_AXI_GP2 {1} CONFIG.PSU__USE__M_AXI_GP1 {0} CONFIG.PSU__USE__IRQ0 {1}",
        "PS_MASTER": "M_AXI_HPM0_FPD",
        "PS_SLAVE": "S_AXI_HP0_FPD",
        "PS_IRQ": "pl_ps_irq0",
    },
}
"""What the scripts call a processing system's parts."""


def package_script(board: Board) -> str:
    """package_ip.tcl."""
    return PACKAGE.replace("PART", board.part)


def build_script(board: Board) -> str | None:
    """build.tcl; None for a board without processing system.

    It tells the processing system the oscillator's frequency too, from which all its clocks are
    made, the fabric's among them: a PS7 takes 33.33 MHz for granted.
    """
    if board.processor is None:
        return None
    text = BUILD.replace("-part PART", f"-part {board.part}")
    for word, value in PROCESSORS[board.processor].items():
        text = text.replace(word, value)
    text = text.replace("{CRYSTAL_MHZ}", f"{{{1e3 / board.clock.oscillator_period_ns:g}}}")
    return text.replace("{CLOCK_MHZ}", f"{{{board.clock.frequency_hz / 1e6:g}}}")
