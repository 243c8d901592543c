// The bench script: one command per line, words separated by blanks, numbers decimal.
// flows/bench_script.py writes it and reads the answers; sim_tests/bench.py understands the same.
//
//   memory BYTES | latency L | limit CYCLES | stall SEED     settings, before reset
//   powerup SEED                            what flip-flops hold at first (design start: unique)
//   hazards ALLOWED                         1: reads may meet writes of the same word
//   fault READ WRITE RESPONSE CHANNEL AFTER what the memory does wrong from now on: faults.sv
//   reset [CYCLES]                          aresetn low, then high
//   load ADDRESS OFFSET BYTES               blob[OFFSET..] into memory
//   write OFFSET VALUE                      control register
//   read OFFSET                             answer: read VALUE
//   put OFFSET VALUE STROBES                write that may be refused. Answer: put RESPONSE CYCLES
//   get OFFSET                              the same for reads. Answer: get RESPONSE CYCLES VALUE
//   until OFFSET MASK VALUE                 read until the register has VALUE under MASK
//   run OFFSET VALUE                        start, wait for irq. Answer: run MEASURED EVENTS
//   start OFFSET VALUE | wait CYCLES | irq  the same in steps; irq gives the answer
//   status OFFSET VALUE ADDRESS INFO        register must hold VALUE; else the finding names what
//                                           the registers ADDRESS and INFO hold
//   clear OFFSET VALUE                      clear irq, wait until it is low
//   dump ADDRESS BYTES                      memory into dump.bin
//   expect ADDRESS OFFSET BYTES             memory must equal blob[OFFSET..]
//   remember                                the whole memory as it is
//   untouched [ADDRESS BYTES]...            it must be so still, apart from these regions
//
// Last answer: "end CYCLES SECONDS", or "failed ..." with the reason.
#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// The overlay, or the program run on it, did something wrong: the bench's finding, no crash.
struct Finding : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Command {
    std::string verb;
    std::vector<uint64_t> arguments;

    uint64_t at(size_t index) const { return arguments.at(index); }
};

inline std::vector<uint8_t> read_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline std::vector<Command> read_script(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    std::vector<Command> commands;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        Command command;
        words >> command.verb;
        for (uint64_t number; words >> number;) command.arguments.push_back(number);
        if (!command.verb.empty()) commands.push_back(std::move(command));
    }
    return commands;
}
