/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of a vmrun VM: loads the modules for the root share, makes the host's file
 * system its root under a memory overlay, runs the job and leaves the VM. Static, nothing else
 * needed in the initramfs but /mods/list (module paths in load order) and the modules.
 *
 * 9p share "root": the host's /, read-only. 9p share "job", mounted on /run/vmrun:
 *   run.sh   executed by bash
 *   out err  its stdout and stderr; without cache a write has reached the host when it returns
 *   rc       its exit status, written last
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHARE_OPTIONS "trans=virtio,version=9p2000.L,msize=131072"
#define EXIT_PORT 0xf4 /* QEMU's isa-debug-exit */
#define EXIT_DONE 0x10
#define EXIT_FATAL 0x11

static void say(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  int fd = open("/dev/kmsg", O_WRONLY);
  if (fd < 0) return;
  if (write(fd, text, (size_t)length) < 0) {
    /* nobody to tell */
  }
  close(fd);
}

static void leave(int code) {
  sync();
  if (ioperm(EXIT_PORT, 4, 1) == 0) outb((unsigned char)code, EXIT_PORT);
  reboot(RB_AUTOBOOT);
  for (;;) pause();
}

static void die(const char* what) {
  say("<2>vminit: %s: %s\n", what, strerror(errno));
  leave(EXIT_FATAL);
}

static void mount_on(const char* type, const char* where, const char* options) {
  mkdir(where, 0755);
  if (mount(type, where, type, 0, options))
    say("<4>vminit: mount %s on %s: %s\n", type, where, strerror(errno));
}

static void load_modules(void) {
  char path[512];
  FILE* list = fopen("/mods/list", "r");
  if (!list) return;
  while (fgets(path, sizeof(path), list)) {
    path[strcspn(path, "\n")] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
      say("<4>vminit: module %s: %s\n", path, strerror(errno));
    if (fd >= 0) close(fd);
  }
  fclose(list);
}

/* The host's / below a tmpfs, and into it the way switch_root does. */
static void enter_root(void) {
  mkdir("/lower", 0755);
  mkdir("/ov", 0755);
  mkdir("/newroot", 0755);
  if (mount("root", "/lower", "9p", MS_RDONLY, SHARE_OPTIONS ",cache=loose")) die("root share");
  if (mount("ov", "/ov", "tmpfs", 0, "mode=755")) die("tmpfs");
  mkdir("/ov/upper", 0755);
  mkdir("/ov/work", 0755);
  if (mount("ov", "/newroot", "overlay", 0, "lowerdir=/lower,upperdir=/ov/upper,workdir=/ov/work"))
    die("overlay");
  umount2("/proc", MNT_DETACH);
  umount2("/sys", MNT_DETACH);
  umount2("/dev", MNT_DETACH);
  if (chdir("/newroot") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
    die("new root");
}

static void mount_system(void) {
  mount_on("devtmpfs", "/dev", NULL);
  mount_on("proc", "/proc", NULL);
  mount_on("sysfs", "/sys", NULL);
  mount_on("tmpfs", "/run", "mode=755");
  mount_on("devpts", "/dev/pts", "ptmxmode=666,mode=620");
  mount_on("tmpfs", "/dev/shm", "mode=1777");
  mount_on("bpf", "/sys/fs/bpf", "mode=700");
  mount_on("cgroup2", "/sys/fs/cgroup", NULL);
  mount_on("debugfs", "/sys/kernel/debug", NULL);
  mount_on("tracefs", "/sys/kernel/tracing", NULL);
  if (symlink("/proc/self/fd", "/dev/fd")) say("<4>vminit: /dev/fd: %s\n", strerror(errno));
  mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL);
}

/* vmrun.kmods=DIR of the kernel command line: the modules of this kernel. */
static void bind_modules(const char* command_line) {
  char directory[1024];
  const char* option = strstr(command_line, "vmrun.kmods=");
  if (!option || sscanf(option, "vmrun.kmods=%1023s", directory) != 1) return;
  mkdir("/lib/modules", 0755);
  if (mount(directory, "/lib/modules", NULL, MS_BIND, NULL))
    say("<4>vminit: bind %s: %s\n", directory, strerror(errno));
}

static void raise_loopback(void) {
  struct ifreq request = {.ifr_name = "lo"};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) return;
  ioctl(fd, SIOCGIFFLAGS, &request);
  request.ifr_flags |= IFF_UP;
  ioctl(fd, SIOCSIFFLAGS, &request);
  close(fd);
}

static void raise_limits(void) {
  struct rlimit open_files = {65536, 65536};
  setrlimit(RLIMIT_NOFILE, &open_files);
}

static void run_job(void) {
  setsid();
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(open("/run/vmrun/out", O_WRONLY | O_APPEND), 1);
  dup2(open("/run/vmrun/err", O_WRONLY | O_APPEND), 2);
  for (int fd = 3; fd < 16; fd++) close(fd);
  setenv("HOME", "/root", 1);
  setenv("TERM", "dumb", 1);
  setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
  execl("/bin/bash", "bash", "/run/vmrun/run.sh", (char*)NULL);
  _exit(127);
}

/* Reaps orphans too; what still runs when the job ends dies with the VM. */
static int wait_for(pid_t job) {
  int status = 0;
  pid_t pid;
  while ((pid = waitpid(-1, &status, 0)) != job)
    if (pid < 0 && errno == ECHILD) return 127;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void) {
  char command_line[4096] = "";
  mount_on("devtmpfs", "/dev", NULL);
  mount_on("proc", "/proc", NULL);
  mount_on("sysfs", "/sys", NULL);
  load_modules();
  int fd = open("/proc/cmdline", O_RDONLY);
  if (fd < 0 || read(fd, command_line, sizeof(command_line) - 1) < 0) die("/proc/cmdline");
  close(fd);

  enter_root();
  mount_system();
  bind_modules(command_line);
  raise_loopback();
  raise_limits();
  sethostname("vmrun", 5);
  mkdir("/run/vmrun", 0755);
  if (mount("job", "/run/vmrun", "9p", 0, SHARE_OPTIONS ",cache=none")) die("job share");

  pid_t job = fork();
  if (job == 0) run_job();
  int status = job < 0 ? 127 : wait_for(job);
  fd = open("/run/vmrun/rc", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  dprintf(fd, "rc %d\n", status);
  close(fd);
  leave(EXIT_DONE);
}
