/* struck SIGNAL WHEN COMMAND...: starts a command and sends it a signal, INT or TERM, WHEN milliseconds later or as soon as a file is there
 * whose name matches WHEN, a pattern that begins with a dot. What the command prints is dropped; what became of it is printed:
 * `signal N`, `exit N`, or `still running`. */
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP_US = 2000, PATIENCE_US = 30000000 };

static bool is_there(const char *pattern)
{
    glob_t found;
    bool any = glob(pattern, GLOB_PERIOD, NULL, &found) == 0;
    if (any)
        globfree(&found);
    return any;
}

static bool ended(pid_t pid, int *status)
{
    for (int us = 0; us < PATIENCE_US; us += STEP_US, usleep(STEP_US))
        if (waitpid(pid, status, WNOHANG) == pid)
            return true;
    kill(pid, SIGKILL);
    waitpid(pid, status, 0);
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    int number = strcmp(argv[1], "INT") == 0 ? SIGINT : SIGTERM, status;
    pid_t pid = fork();
    if (pid == 0) {
        signal(number, SIG_DFL);        /* what a shell starts in the background ignores SIGINT */
        if (!freopen("/dev/null", "w", stdout))
            _exit(127);
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    if (argv[2][0] >= '0' && argv[2][0] <= '9')
        usleep((useconds_t)atoi(argv[2]) * 1000);
    for (int us = 0; argv[2][0] == '.' && us < PATIENCE_US && !is_there(argv[2]); us += STEP_US)
        usleep(STEP_US);
    kill(pid, number);
    if (!ended(pid, &status))
        puts("still running");
    else if (WIFSIGNALED(status))
        printf("signal %d\n", WTERMSIG(status));
    else
        printf("exit %d\n", WEXITSTATUS(status));
    return 0;
}
