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
#include <map>
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
    std::vector<uint8_t> remembered_;
    uint64_t limit_ = 0, started_ = 0;

    std::vector<uint8_t>& memory() { return device_.memory.bytes; }

    void execute(const Command& command) {
        static const std::map<std::string, void (Bench::*)(const Command&)> verbs = {
            {"memory", &Bench::memory_size}, {"latency", &Bench::latency},
            {"limit", &Bench::limit},        {"stall", &Bench::stall},
            {"hazards", &Bench::hazards},    {"fault", &Bench::fault},
            {"powerup", &Bench::done_before},
            {"reset", &Bench::reset},        {"load", &Bench::load},
            {"write", &Bench::write},        {"read", &Bench::read},
            {"put", &Bench::put},            {"get", &Bench::get},
            {"until", &Bench::until},        {"run", &Bench::run_job},
            {"start", &Bench::start},        {"wait", &Bench::wait},
            {"irq", &Bench::irq},            {"status", &Bench::check_status},
            {"clear", &Bench::clear_irq},    {"dump", &Bench::dump},
            {"expect", &Bench::expect},      {"remember", &Bench::remember},
            {"untouched", &Bench::untouched}};
        const auto found = verbs.find(command.verb);
        if (found == verbs.end()) throw std::runtime_error("unknown command " + command.verb);
        (this->*found->second)(command);
    }

    // Settings.

    void memory_size(const Command& command) {
        memory().assign(command.at(0), 0);
        device_.top().memory_end = command.at(0);
    }
    void done_before(const Command&) {}
    void latency(const Command& command) { device_.top().latency = command.at(0); }
    void limit(const Command& command) { limit_ = command.at(0); }
    void hazards(const Command& command) { device_.top().hazards = command.at(0); }
    void stall(const Command& command) {
        device_.memory.stall(command.at(0));
        device_.top().bypass = command.at(0) != 0;
    }
    void fault(const Command& command) {
        Vtop& top = device_.top();
        top.fault_read = command.at(0), top.fault_write = command.at(1);
        top.fault_response = command.at(2);
        top.fault_hung = command.at(3), top.fault_after = command.at(4);
        for (const bool arm : {true, false}) {
            top.fault_arm = arm;
            device_.settle();
            device_.tick();
        }
    }
    void reset(const Command& command) {
        if (command.arguments.empty())
            device_.reset();
        else
            device_.reset(command.at(0));
    }

    // Registers.

    void write(const Command& command) { device_.write(command.at(0), command.at(1)); }
    void read(const Command& command) {
        answers_ << "read " << device_.read(command.at(0)) << "\n";
    }
    void put(const Command& command) {
        const auto access = device_.put(command.at(0), command.at(1), command.at(2));
        answers_ << "put " << access.response << " " << access.cycles << "\n";
    }
    void get(const Command& command) {
        const auto access = device_.get(command.at(0));
        answers_ << "get " << access.response << " " << access.cycles << " " << access.value
                 << "\n";
    }
    void until(const Command& command) {
        for (uint64_t i = 0; (device_.read(command.at(0)) & command.at(1)) != command.at(2); ++i)
            if (i > limit_) throw Finding("hang " + std::to_string(limit_));
    }

    // Memory.

    void load(const Command& command) {
        std::memcpy(inside(command.at(0), command.at(2)), part(command.at(1), command.at(2)),
                    command.at(2));
    }
    void dump(const Command& command) {
        const uint8_t* first = inside(command.at(0), command.at(1));
        dump_.write(reinterpret_cast<const char*>(first), command.at(1));
    }
    void expect(const Command& command) {
        compare(command.at(0), part(command.at(1), command.at(2)), command.at(2));
    }
    void remember(const Command&) { remembered_ = memory(); }
    void untouched(const Command& command) {
        std::vector<uint8_t> wanted = remembered_;
        for (size_t i = 0; i + 1 < command.arguments.size(); i += 2) {
            const uint64_t address = command.at(i), size = command.at(i + 1);
            std::memcpy(&wanted.at(address), inside(address, size), size);
        }
        compare(0, wanted.data(), wanted.size());
    }

    uint8_t* inside(uint64_t address, uint64_t size) {
        if (address + size > memory().size()) throw std::runtime_error("region beyond memory");
        return memory().data() + address;
    }

    const uint8_t* part(uint64_t offset, uint64_t size) {
        if (offset + size > blob_.size()) throw std::runtime_error("region beyond blob.bin");
        return blob_.data() + offset;
    }

    void compare(uint64_t address, const uint8_t* wanted, uint64_t size) {
        const uint8_t* found = inside(address, size);
        for (uint64_t i = 0; i < size; ++i)
            if (found[i] != wanted[i])
                throw Finding("expect " + std::to_string(address + i) + " "
                              + std::to_string(found[i]) + " " + std::to_string(wanted[i]));
    }

    // Jobs.

    void run_job(const Command& command) { start(command), irq(command); }
    void start(const Command& command) {
        device_.events.clear();
        device_.write(command.at(0), command.at(1));
        started_ = device_.top().csr_edge;
    }
    void wait(const Command& command) {
        for (uint64_t i = 0; i < command.at(0); ++i) device_.tick();
    }
    void irq(const Command&) {
        Vtop& top = device_.top();
        while (!top.irq_seen) {
            if (top.now - started_ > limit_) throw Finding("hang " + std::to_string(limit_));
            device_.tick();
        }
        answers_ << "run " << top.irq_edge - started_ << " " << device_.events.size() << "\n";
        for (const Event& event : device_.events) {
            const uint64_t pair[2] = {event.edge - started_, event.address};
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

    void clear_irq(const Command& command) {
        device_.write(command.at(0), command.at(1));
        for (uint32_t i = 0; device_.top().irq_seen; ++i) {
            if (i == Device::kControlCycles) throw Finding("stuck");
            device_.tick();
        }
    }
};

static int run_folder(const std::string& folder) {
    try {
        const std::vector<Command> script = read_script(folder + "/script.txt");
        for (const Command& command : script)  // holds for the model that Bench makes
            if (command.verb == "powerup") {
                Verilated::threadContextp()->randReset(2);
                Verilated::threadContextp()->randSeed(command.at(0));
            }
        Bench bench(folder);
        bench.run(script);
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
