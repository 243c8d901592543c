// Runs bench scripts on the Verilator model of bench_top: whole networks, image after image.
//
//   bench_top [+NAME=VALUE] FOLDER...     each folder: script.txt and blob.bin in; answers.txt, dump.bin and
//                           events.bin (pairs of 64 bit: edge after START, address) out, and
//                           coverage.dat when built with coverage.
// Several folders run side by side, one process each. Exit code 0 when every folder has its
// answers, a finding ("failed ...") among them; anything else is a broken bench.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

#include "device.h"
#include "script.h"
#if VM_COVERAGE
#include <verilated_cov.h>
#endif

static_assert(MEMORY_BITS % 32 == 0 && MEMORY_BITS <= 256, "bus width of the overlay");

class Bench {
  public:
    explicit Bench(const std::string& folder)
        : blob_(read_bytes(folder + "/blob.bin")),
          dump_(folder + "/dump.bin", std::ios::binary),
          events_(folder + "/events.bin", std::ios::binary),
          answers_(folder + "/answers.txt") {}

    void run(const std::vector<Command>& script) {
        const auto started = std::chrono::steady_clock::now();
        try {
            for (const Command& command : script) execute(command);
            const std::chrono::duration<double> seconds =
                std::chrono::steady_clock::now() - started;
            answers_ << "end " << device_.cycles << " " << seconds.count() << "\n";
        } catch (const Finding& finding) {
            answers_ << "failed " << finding.what() << "\n";
        }
        dump_.close(), events_.close(), answers_.close();
        if (!dump_ || !events_ || !answers_) throw std::runtime_error("cannot write the answers");
    }

  private:
    Device device_;
    std::vector<uint8_t> blob_;
    std::ofstream dump_, events_, answers_;
    uint64_t limit_ = 0;

    std::vector<uint8_t>& memory() { return device_.memory.bytes; }

    void execute(const Command& command) {
        const std::string& verb = command.verb;
        if (verb == "memory") {
            memory().assign(command.at(0), 0);
            device_.top().memory_end = command.at(0);
        } else if (verb == "latency") {
            device_.top().latency = command.at(0);
        } else if (verb == "limit") {
            limit_ = command.at(0);
        } else if (verb == "stall") {
            device_.memory.stall(command.at(0));
            device_.top().bypass = command.at(0) != 0;
        } else if (verb == "reset") {
            device_.reset();
        } else if (verb == "load") {
            std::memcpy(inside(command.at(0), command.at(2)), part(command.at(1), command.at(2)),
                        command.at(2));
        } else if (verb == "write") {
            device_.write(command.at(0), command.at(1));
        } else if (verb == "read") {
            answers_ << "read " << device_.read(command.at(0)) << "\n";
        } else if (verb == "run") {
            run_job(command.at(0), command.at(1));
        } else if (verb == "status") {
            check_status(command);
        } else if (verb == "clear") {
            clear_irq(command.at(0), command.at(1));
        } else if (verb == "dump") {
            const uint8_t* first = inside(command.at(0), command.at(1));
            dump_.write(reinterpret_cast<const char*>(first), command.at(1));
        } else if (verb == "expect") {
            expect(command.at(0), part(command.at(1), command.at(2)), command.at(2));
        } else {
            throw std::runtime_error("unknown command " + verb);
        }
    }

    uint8_t* inside(uint64_t address, uint64_t size) {
        if (address + size > memory().size()) throw std::runtime_error("region beyond memory");
        return memory().data() + address;
    }

    const uint8_t* part(uint64_t offset, uint64_t size) {
        if (offset + size > blob_.size()) throw std::runtime_error("region beyond blob.bin");
        return blob_.data() + offset;
    }

    void run_job(uint32_t offset, uint32_t value) {
        device_.events.clear();
        device_.write(offset, value);
        Vtop& top = device_.top();
        const uint64_t start = top.csr_edge;
        while (!top.irq_seen) {
            if (top.now - start > limit_) throw Finding("hang " + std::to_string(limit_));
            device_.tick();
        }
        answers_ << "run " << top.irq_edge - start << " " << device_.events.size() << "\n";
        for (const Event& event : device_.events) {
            const uint64_t pair[2] = {event.edge - start, event.address};
            events_.write(reinterpret_cast<const char*>(pair), sizeof pair);
        }
    }

    void check_status(const Command& command) {
        const uint32_t found = device_.read(command.at(0));
        if (found == command.at(1)) return;
        std::string words = "status " + std::to_string(found);
        for (size_t i : {2, 3}) words += " " + std::to_string(device_.read(command.at(i)));
        throw Finding(words);
    }

    void clear_irq(uint32_t offset, uint32_t value) {
        device_.write(offset, value);
        for (uint32_t i = 0; device_.top().irq_seen; ++i) {
            if (i == Device::kControlCycles) throw Finding("stuck");
            device_.tick();
        }
    }

    void expect(uint64_t address, const uint8_t* wanted, uint64_t size) {
        const uint8_t* found = inside(address, size);
        for (uint64_t i = 0; i < size; ++i)
            if (found[i] != wanted[i])
                throw Finding("expect " + std::to_string(address + i) + " "
                              + std::to_string(found[i]) + " " + std::to_string(wanted[i]));
    }
};

static int run_folder(const std::string& folder) {
    try {
        Bench bench(folder);
        bench.run(read_script(folder + "/script.txt"));
#if VM_COVERAGE  // the counts are the model's: they go with the bench
        Verilated::threadContextp()->coveragep()->write((folder + "/coverage.dat").c_str());
#endif
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", folder.c_str(), error.what());
        return 1;
    }
}

int main(int count, char** words) {
    Verilated::commandArgs(count, words);
    while (count > 1 && words[1][0] == '+') --count, ++words;  // +mutant=N is the design's
    if (count == 2) return run_folder(words[1]);
    for (int i = 1; i < count; ++i) {
        const pid_t child = fork();
        if (child < 0) return std::perror("fork"), 1;
        if (child == 0) _exit(run_folder(words[i]));
    }
    bool failed = false;
    for (int status; wait(&status) > 0;) failed |= status != 0;
    return failed || count == 1;
}
