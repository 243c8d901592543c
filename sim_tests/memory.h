// An array behind the AXI4 memory port: ready at once, answers in the next cycle; or, with a
// seed, random stalls on all five channels. Addresses past its end answer DECERR.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "Vtop.h"

class Memory {
  public:
    static constexpr uint32_t kBytes = MEMORY_BITS / 8;
    static constexpr size_t kUnderWay = 16;

    std::vector<uint8_t> bytes;

    void stall(uint64_t seed) { random_ = seed; }

    void reset(Vtop& top) {
        reads_.clear();
        writes_.clear();
        answers_.clear();
        top.m_axi_rvalid = top.m_axi_bvalid = 0;
        top.m_axi_arready = top.m_axi_awready = top.m_axi_wready = 0;
        top.m_axi_rid = top.m_axi_bid = 0;
    }

    // What the coming edge will see. Call with the model settled, before the edge.
    void sample(const Vtop& top) {
        ar_ = top.m_axi_arvalid && top.m_axi_arready;
        r_ = top.m_axi_rvalid && top.m_axi_rready;
        aw_ = top.m_axi_awvalid && top.m_axi_awready;
        w_ = top.m_axi_wvalid && top.m_axi_wready;
        b_ = top.m_axi_bvalid && top.m_axi_bready;
        if (ar_) reads_.push_back({top.m_axi_araddr, top.m_axi_arlen + 1u, 0});
        if (aw_) writes_.push_back({top.m_axi_awaddr, top.m_axi_awlen + 1u, 0});
        if (w_) write_beat(top);
    }

    // What the memory shows after the edge.
    void drive(Vtop& top) {
        if (r_) top.m_axi_rvalid = 0;
        if (!top.m_axi_rvalid && !reads_.empty() && !waits()) read_beat(top);
        if (b_) top.m_axi_bvalid = 0;
        if (!top.m_axi_bvalid && !answers_.empty() && !waits()) {
            top.m_axi_bvalid = 1;
            top.m_axi_bresp = answers_.front();
            answers_.pop_front();
        }
        top.m_axi_arready = reads_.size() < kUnderWay && !waits();
        top.m_axi_awready = writes_.size() < kUnderWay && !waits();
        top.m_axi_wready = !writes_.empty() && !waits();
    }

  private:
    static constexpr uint8_t kDecodeError = 3;

    struct Burst {
        uint64_t address;
        uint32_t beats;
        uint8_t response;
    };

    std::deque<Burst> reads_, writes_;
    std::deque<uint8_t> answers_;
    uint64_t random_ = 0;
    uint32_t pause_ = 0;
    bool ar_ = false, r_ = false, aw_ = false, w_ = false, b_ = false;

    // Half of the offers are held back, and now and then one long pause stops everything.
    bool waits() {
        if (!random_) return false;
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        if (pause_) return --pause_, true;
        if (random_ >> 32 & 0x1ff) return random_ & 1;
        pause_ = random_ >> 4 & 0xff;
        return true;
    }

    void read_beat(Vtop& top) {
        Burst& burst = reads_.front();
        const uint64_t address = burst.address / kBytes * kBytes;
        const bool inside = address + kBytes <= bytes.size();
        if (inside) std::memcpy(&top.m_axi_rdata, &bytes[address], kBytes);
        top.m_axi_rresp = inside ? 0 : kDecodeError;
        top.m_axi_rlast = burst.beats == 1;
        top.m_axi_rvalid = 1;
        burst.address = address + kBytes;
        if (--burst.beats == 0) reads_.pop_front();
    }

    void write_beat(const Vtop& top) {
        Burst& burst = writes_.front();
        const uint64_t address = burst.address / kBytes * kBytes;
        uint8_t data[kBytes];
        std::memcpy(data, &top.m_axi_wdata, kBytes);
        uint32_t strobe = top.m_axi_wstrb;
        if (address + kBytes > bytes.size())
            burst.response = kDecodeError;
        else
            for (uint32_t i = 0; i < kBytes; ++i, strobe >>= 1)
                if (strobe & 1) bytes[address + i] = data[i];
        burst.address = address + kBytes;
        if (--burst.beats == 0) {
            answers_.push_back(burst.response);
            writes_.pop_front();
        }
    }
};
