// The model under the clock: two evaluations a cycle, the memory, and the control port.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "Vtop.h"
#include "memory.h"
#include "script.h"

// A write burst whose B was taken: edges after START, and the burst's address.
struct Event {
    uint64_t edge;
    uint64_t address;
};

class Device {
  public:
    static constexpr uint32_t kResetCycles = 4;
    static constexpr uint32_t kControlCycles = 1000;  // longest wait for a control register

    Memory memory;
    std::vector<Event> events;
    uint64_t cycles = 0;

    Vtop& top() { return *top_; }

    void reset(uint64_t cycles = kResetCycles) {
        top_->aresetn = 0;
        top_->s_axil_awvalid = top_->s_axil_wvalid = top_->s_axil_arvalid = 0;
        top_->s_axil_bready = top_->s_axil_rready = 1;
        memory.reset(*top_);
        for (uint64_t i = 0; i < cycles; ++i) clock();
        top_->aresetn = 1;
        memory.drive(*top_);
        settle();
        seen_ = 0;
    }

    void tick() {
        memory.sample(*top_);
        top_->aclk = 1;
        top_->eval();
        memory.drive(*top_);
        settle();
        ++cycles;
        if (top_->write_count != seen_) {
            seen_ = top_->write_count;
            events.push_back({top_->write_edge, top_->write_address});
        }
        if (top_->error_code) throw Finding(broken_rule());
    }

    // An access of the control port: what came back, and after how many cycles.
    struct Access {
        uint32_t response, cycles, value;
    };

    Access put(uint32_t offset, uint32_t value, uint32_t strobes) {
        top_->s_axil_awaddr = offset;
        top_->s_axil_wdata = value;
        top_->s_axil_wstrb = strobes;
        top_->s_axil_awvalid = top_->s_axil_wvalid = 1;
        settle();
        for (uint32_t i = 0; i < kControlCycles; ++i) {
            const bool address_taken = top_->s_axil_awvalid && top_->s_axil_awready;
            const bool data_taken = top_->s_axil_wvalid && top_->s_axil_wready;
            const bool answered = top_->s_axil_bvalid;
            const uint32_t response = top_->s_axil_bresp;
            clock_control([&] {
                if (address_taken) top_->s_axil_awvalid = 0;
                if (data_taken) top_->s_axil_wvalid = 0;
            });
            if (answered) return {response, i, 0};
        }
        throw silent(offset);
    }

    Access get(uint32_t offset) {
        top_->s_axil_araddr = offset;
        top_->s_axil_arvalid = 1;
        settle();
        for (uint32_t i = 0; i < kControlCycles; ++i) {
            const bool address_taken = top_->s_axil_arvalid && top_->s_axil_arready;
            const bool answered = top_->s_axil_rvalid;
            const uint32_t value = top_->s_axil_rdata, response = top_->s_axil_rresp;
            clock_control([&] {
                if (address_taken) top_->s_axil_arvalid = 0;
            });
            if (answered) return {response, i, value};
        }
        throw silent(offset);
    }

    void write(uint32_t offset, uint32_t value) {
        check_response(offset, put(offset, value, 0xf).response);
    }

    uint32_t read(uint32_t offset) {
        const Access access = get(offset);
        check_response(offset, access.response);
        return access.value;
    }

    // After a change of inputs: what depends on them, before the edge.
    void settle() {
        top_->aclk = 0;
        top_->eval();
    }

  private:
    std::unique_ptr<Vtop> top_ = std::make_unique<Vtop>();
    uint32_t seen_ = 0;

    void clock() {
        top_->aclk = 1;
        top_->eval();
        settle();
        ++cycles;
    }

    // One cycle; `after` changes the control port once the edge has passed.
    template <typename After>
    void clock_control(After after) {
        tick();
        after();
        settle();
    }

    static Finding silent(uint32_t offset) {
        return Finding("silent " + std::to_string(offset) + " "
                       + std::to_string(kControlCycles));
    }

    static void check_response(uint32_t offset, uint32_t response) {
        if (response)
            throw Finding("refused " + std::to_string(offset) + " " + std::to_string(response));
    }

    std::string broken_rule() const {
        return "rule " + std::to_string(top_->error_code) + " "
            + std::to_string(top_->error_address) + " "
            + std::to_string(static_cast<int64_t>(top_->error_edge - top_->csr_edge));
    }
};
