// A whole board in Verilator: its clock runs, its serial line is a pseudo-terminal. Whoever opens
// the terminal meets the board as behind a USB adapter.
//
//   bitwright_board PATH_FILE      the terminal's path is written there once the board is up
//
// Runs until it is ended. A board on whose line nothing happens for long is slowed down, so that it
// does not keep a processor busy.
// board.h, made with the design: CLOCKS_PER_BIT, and release_button(top).
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>

#include "Vtop.h"
#include "board.h"

constexpr int kFrameBits = 10;  // start, eight of data, stop
constexpr uint32_t kPollCycles = 64;
constexpr uint64_t kStartCycles = 1024;  // the PLL's lock and the reset after it
constexpr uint64_t kQuietCycles = 500'000;
constexpr int kQuietMilliseconds = 1;

// The terminal's end of the line: a byte is shifted out and another one in, bit by bit.
class Line {
  public:
    explicit Line(int terminal) : terminal_(terminal) {}

    // One clock cycle: the level that the board sees, from the level that it drives.
    uint8_t cycle(uint8_t driven) {
        listen(driven);
        return talk();
    }

    bool quiet() const { return quiet_ > kQuietCycles; }

  private:
    int terminal_;
    uint32_t out_ = 0, out_bits_ = 0, out_wait_ = 0, until_poll_ = 0;
    uint32_t in_ = 0, in_bits_ = 0, in_wait_ = 0;
    uint64_t quiet_ = 0;

    uint8_t talk() {
        if (out_bits_ == 0 && until_poll_-- == 0) {
            until_poll_ = kPollCycles;
            uint8_t byte;
            if (read(terminal_, &byte, 1) == 1) {
                out_ = (0x100u | byte) << 1;
                out_bits_ = kFrameBits, out_wait_ = CLOCKS_PER_BIT;
                until_poll_ = 0, quiet_ = 0;
            }
        }
        ++quiet_;
        if (out_bits_ == 0) return 1;
        const uint8_t level = out_ & 1;
        if (--out_wait_ == 0) out_ >>= 1, --out_bits_, out_wait_ = CLOCKS_PER_BIT;
        return level;
    }

    void listen(uint8_t level) {
        if (in_bits_ == 0) {
            if (level == 0) in_bits_ = kFrameBits, in_wait_ = CLOCKS_PER_BIT / 2;
            return;
        }
        if (in_wait_--) return;
        in_wait_ = CLOCKS_PER_BIT - 1;
        in_ = in_ >> 1 | level << (kFrameBits - 1);
        if (--in_bits_) return;
        quiet_ = 0;
        const uint8_t byte = in_ >> 1;
        if (level) while (write(terminal_, &byte, 1) != 1) usleep(100);
    }
};

// A pseudo-terminal that carries bytes as they are; -1: there is none.
static int open_terminal(const char*& path) {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) || unlockpt(terminal)) return -1;
    path = ptsname(terminal);
    // Kept open: the board's end must not see a hang-up between two drivers.
    const int other = open(path, O_RDWR | O_NOCTTY);
    termios settings;
    if (other < 0 || tcgetattr(other, &settings)) return -1;
    cfmakeraw(&settings);
    tcsetattr(other, TCSANOW, &settings);
    fcntl(terminal, F_SETFL, O_NONBLOCK);
    return terminal;
}

static bool announce(const char* name, const char* path) {
    std::FILE* file = std::fopen(name, "w");
    return file && std::fprintf(file, "%s\n", path) > 0 && !std::fclose(file);
}

int main(int count, char** words) {
    if (count != 2) return std::fprintf(stderr, "PATH_FILE\n"), 2;
    prctl(PR_SET_PDEATHSIG, SIGTERM);  // ends with whoever started it
    const char* path = nullptr;
    const int terminal = open_terminal(path);
    if (terminal < 0) return std::perror("pseudo-terminal"), 1;
    auto top = std::make_unique<Vtop>();
    Line line(terminal);
    release_button(*top);
    top->uart_rx = 1;
    for (uint64_t cycle = 0;; ++cycle) {
        if (cycle == kStartCycles && !announce(words[1], path)) return std::perror(words[1]), 1;
        top->clock = 1;
        top->eval();
        top->uart_rx = line.cycle(top->uart_tx);
        top->clock = 0;
        top->eval();
        if (line.quiet() && cycle % 1024 == 0) {
            pollfd waiting{terminal, POLLIN, 0};
            poll(&waiting, 1, kQuietMilliseconds);
        }
    }
}
