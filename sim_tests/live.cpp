// The Verilator model of bench_top as a device: does what a driver tells it over a socket, a line
// at a time (flows/driver/live.py lists them). Time stands still between two lines.
//
//   bench_top SOCKET MEMORY_BYTES LATENCY
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>
#include <stdexcept>
#include <string>

#include "device.h"

class Connection {
  public:
    explicit Connection(const std::string& path) : socket_(socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.size() >= sizeof address.sun_path) throw std::runtime_error("path too long");
        path.copy(address.sun_path, path.size());
        if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address))
            throw std::runtime_error("cannot connect to " + path);
    }
    ~Connection() { close(socket_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // The next line; false when the driver is gone.
    bool line(std::string& text) {
        size_t end;
        while ((end = waiting_.find('\n')) == std::string::npos) {
            char part[65536];
            const ssize_t count = read(socket_, part, sizeof part);
            if (count <= 0) return false;
            waiting_.append(part, count);
        }
        text = waiting_.substr(0, end);
        waiting_.erase(0, end + 1);
        return true;
    }

    void answer(std::string text) {
        text += '\n';
        for (size_t sent = 0; sent < text.size();) {
            const ssize_t count = send(socket_, &text[sent], text.size() - sent, MSG_NOSIGNAL);
            if (count <= 0) throw std::runtime_error("the driver is gone");
            sent += count;
        }
    }

  private:
    int socket_;
    std::string waiting_;
};

class Live {
  public:
    Live(uint64_t memory_bytes, uint64_t latency) {
        device_.memory.bytes.assign(memory_bytes, 0);
        device_.top().memory_end = memory_bytes;
        device_.top().latency = latency;
        device_.reset();
    }

    std::string execute(const std::string& line) {
        std::istringstream words(line);
        std::string verb;
        uint64_t first = 0;
        words >> verb >> first;
        if (verb == "get") {
            const auto access = device_.get(first);
            return std::to_string(access.response) + " " + std::to_string(access.value);
        }
        if (verb == "irq") return wait(first) ? "1" : "0";
        if (verb == "store") return store(first, words);
        uint64_t second = 0;
        words >> second;
        if (verb == "put") return std::to_string(device_.put(first, second, 0xf).response);
        if (verb == "load") return load(first, second);
        throw std::runtime_error("unknown command " + verb);
    }

  private:
    Device device_;

    bool wait(uint64_t cycles) {
        for (; !device_.top().irq_seen && cycles; --cycles) device_.tick();
        return device_.top().irq_seen;
    }

    std::string store(uint64_t address, std::istringstream& words) {
        std::string hex;
        words >> hex;
        uint8_t* place = inside(address, hex.size() / 2);
        for (size_t i = 0; i + 1 < hex.size(); i += 2)
            *place++ = std::stoul(hex.substr(i, 2), nullptr, 16);
        return "0";
    }

    std::string load(uint64_t address, uint64_t size) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t* place = inside(address, size);
        std::string hex;
        for (uint64_t i = 0; i < size; ++i) {
            hex += digits[place[i] >> 4];
            hex += digits[place[i] & 15];
        }
        return hex;
    }

    uint8_t* inside(uint64_t address, uint64_t size) {
        if (address + size > device_.memory.bytes.size())
            throw std::runtime_error("region beyond memory");
        return device_.memory.bytes.data() + address;
    }
};

int main(int count, char** words) {
    if (count != 4) return std::fprintf(stderr, "SOCKET MEMORY_BYTES LATENCY\n"), 2;
    try {
        Connection connection(words[1]);
        Live live(std::stoull(words[2]), std::stoull(words[3]));
        for (std::string line; connection.line(line) && line != "end";) {
            try {
                connection.answer(live.execute(line));
            } catch (const Finding& finding) {
                connection.answer(std::string("failed ") + finding.what());
            }
        }
        return 0;
    } catch (const std::exception& error) {
        return std::fprintf(stderr, "%s\n", error.what()), 1;
    }
}
