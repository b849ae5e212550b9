package Weir::Stack;

# Servers of a test's own: Redis, weir-mock-llm, weir-worker and nginx in one
# directory, which may be stopped, killed, paused and started again.
#
#     my $s = Weir::Stack->new(location => 'weir_api;');
#     $s->start;                        # or start('redis', 'nginx')
#     my $c = $s->ask('/v1/jobs', body => '{...}');
#     $s->signal('worker', 'KILL');
#     $s->wait_log('worker', qr/started/, 5);
#
# Options of new(): location (content of "location /"), server, http, main
# (nginx, added), worker and provider (added to these sections of worker.conf),
# worker_more (sections, added to that file),
# worker_conf (instead of the usual file), mock (array of arguments), redis (lines of redis.conf),
# weir_redis (parameters of that directive, or all of it if it starts with an
# address; or "none"), key_conf (instead of the usual "weir_key_file"), faults (WEIR_FAULT of a worker that was built for it: see
# worker/fault.h; may be empty), processes (of nginx; 2), edge_of (another stack: its Redis and keys
# are used, and only nginx is started here).
#
# Nothing here sleeps for a result: everything waits for a condition with a
# deadline, and dies with the logs when the deadline passes.

use strict;
use warnings;

use Cwd qw(abs_path);
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX qw(:sys_wait_h setsid);
use Test::More ();
use Time::HiRes qw(time sleep);
use Weir::Client;

my @SERVERS = qw(redis mock worker nginx);
my $count = 0;
my %port_used;


sub new {
    my ($class, %o) = @_;

    my $base = $ENV{TEST_NGINX_DIR} or die "no TEST_NGINX_DIR: use make prove";
    my $dir = $o{dir} // sprintf '%s/s%d-%d', $base, $$, ++$count;

    mkdir $dir or die "$dir: $!" if !-d $dir;
    mkdir "$dir/redis";

    my $self = bless { %o, dir => $dir, owner => $$, pid => {} }, $class;

    $self->{build} = abs_path($ENV{TEST_NGINX_BUILD} // 'build');
    $self->{port} //= free_port();
    $self->{redis_port} //= free_port();

    return $self;
}


sub dir   { $_[0]{dir} }
sub port  { $_[0]{port} }
sub key   { $_[0]->keys; $_[0]{key} }
sub home  { $_[0]{edge_of} ? $_[0]{edge_of}{dir} : $_[0]{dir} }
sub pid   { $_[0]{pid}{$_[1]} }
sub alive { my $p = $_[0]{pid}{$_[1]}; $p && waitpid($p, WNOHANG) == 0 }


# a port of this run's range; see prove.sh

sub free_port {
    my $first = $ENV{TEST_NGINX_PORT_BASE} // 32800;

    for my $port ($first .. $first + 59) {
        next if $port_used{$port};

        my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                    LocalPort => $port, Listen => 1, ReuseAddr => 1) or next;
        close $s;
        $port_used{$port} = 1;

        return $port;
    }

    die "no free port from $first on";
}


# wait_for(SECONDS, CODE, WHAT): its first true value

sub wait_for {
    my ($self, $seconds, $code, $what) = @_;

    my $end = time + $seconds;

    while (1) {
        my $value = $code->();
        return $value if $value;

        if (time >= $end) {
            die "$what: not within $seconds seconds\n" . $self->tails;
        }

        sleep 0.01;
    }
}


sub wait_log {
    my ($self, $name, $regex, $seconds) = @_;

    return $self->wait_for($seconds, sub { $self->log($name) =~ $regex },
                           "$name log: $regex");
}


sub log {
    my ($self, $name) = @_;

    return slurp("$self->{dir}/$name.log");
}


sub tails {
    my ($self) = @_;

    return join '', map {
        my @lines = map { split /^/ } $self->log($_),
                                      slurp("$self->{dir}/$_.out");
        splice @lines, 0, -15 if @lines > 15;
        "--- $_.log\n", @lines;
    } @SERVERS;
}


sub start {
    my ($self, @names) = @_;

    for my $name (@names ? @names : @SERVERS) {
        my $start = "start_$name";
        $self->$start;
    }

    return $self;
}


# stop(NAME...): the polite signal; the exit status of the last one

sub stop {
    my ($self, @names) = @_;

    my $status;

    for my $name (@names ? @names : reverse @SERVERS) {
        next if !$self->{pid}{$name};
        $self->signal($name, 'CONT');
        $self->signal($name, $name eq 'nginx' ? 'QUIT' : 'TERM');
        $status = $self->wait_exit($name, 20);
    }

    return $status;
}


# signal(NAME, SIGNAL): KILL is awaited and told to the check of the logs

sub signal {
    my ($self, $name, $signal) = @_;

    my $pid = $self->{pid}{$name} or die "$name does not run";
    my @with = $name eq 'nginx' && $signal eq 'KILL' ? $self->children($name)
                                                     : ();

    kill $signal, $pid, @with;          # they would go on without the master
    return $signal eq 'KILL' ? $self->wait_exit($name, 10) : 1;
}


sub wait_exit {
    my ($self, $name, $seconds) = @_;

    my $pid = delete $self->{pid}{$name} or return;
    my $status;

    my $ended = eval {
        $self->wait_for($seconds, sub {
            return 0 if waitpid($pid, WNOHANG) == 0;
            $status = $?;
            return 1;
        }, "end of $name");
    };

    if (!$ended) {
        my $why = $@;
        kill 'KILL', $pid;
        waitpid $pid, 0;
        die $why;
    }

    return $status;
}


# children(NAME): process numbers of nginx workers or of runners

sub children {
    my ($self, $name) = @_;

    my $pid = $self->{pid}{$name} or return;

    return split ' ', slurp("/proc/$pid/task/$pid/children");
}


# kill_child(NAME): kills one, and awaits another in its place

sub kill_child {
    my ($self, $name, $signal) = @_;

    my @before = $self->children($name);
    my $victim = $before[0] // die "$name has no child";
    my %old = map { $_ => 1 } @before;

    if ($name eq 'nginx') {
        $self->expect(qr/worker process $victim exited on signal/);
    }

    kill $signal // 'KILL', $victim;

    $self->wait_for(10, sub { grep { !$old{$_} } $self->children($name) },
                    "another child of $name");
    return $victim;
}


# expect(REGEX): a line that would fail the run may stand in the logs

sub expect {
    my ($self, $regex) = @_;

    append("$ENV{TEST_NGINX_DIR}/expected", "$regex\n");
}


# keys: made once for each stack

sub keys {
    my ($self) = @_;

    my $d = $self->{dir};

    if ($self->{edge_of}) {
        $self->{edge_of}->keys;
        $self->{$_} = $self->{edge_of}{$_} for qw(key other_key admin_key);
        return;
    }

    return if -e "$d/keys";

    $self->{key}       = $self->create_key('alice', 'submit,read,cancel');
    $self->{other_key} = $self->create_key('bob', 'submit,read,cancel');
    $self->{admin_key} = $self->create_key('root',
                                          'submit,read,cancel,admin');
}


sub create_key {
    my ($self, $owner, $scopes, @more) = @_;

    my $d = $self->{dir};
    my @tier = grep({ $_ eq '--tier' } @more) ? () : ('--tier', 'default');
    my @command = ("$self->{build}/weir", qw(keys create), '--file', "$d/keys",
                   '--pepper', "$d/pepper", '--owner', $owner, @tier,
                   '--scopes', $scopes, @more);

    open my $f, '-|', 'sh', '-c', 'exec "$@" 2>> "$0"', "$d/keys.log", @command
        or die "weir: $!";
    my $key = join '', <$f>;
    close $f or die "@command: status $?";
    chomp $key;

    return $key;
}


# a field more in the record of an owner's key

sub add_to_key {
    my ($self, $owner, $field) = @_;

    my $file = "$self->{dir}/keys";

    open my $in, '<', $file or die "$file: $!";
    my @lines = <$in>;
    close $in;

    s/$/:$field/ for grep { /:owner=\Q$owner\E(?::|$)/ } @lines;

    open my $out, '>', "$file.new" or die "$file.new: $!";
    print $out @lines;
    close $out or die "$file.new: $!";
    rename "$file.new", $file or die "$file: $!";
}


sub auth {
    my ($self) = @_;

    return 'Authorization: Bearer ' . $self->key;
}


# request(PATH, OPTIONS): a client under way; ask() awaits its end.  key is
# another than usual, no_key none at all

sub request {
    my ($self, $path, %o) = @_;

    my $headers = $o{headers} // [];
    my $auth = $o{key} ? "Authorization: Bearer $o{key}"
               : $o{no_key} ? undef : $self->auth;
    $headers = [$auth, @$headers] if defined $auth;

    return Weir::Client->new(port => $self->{port}, %o, path => $path,
                             headers => $headers);
}


sub ask {
    my ($self, $path, %o) = @_;

    my $c = $self->request($path, %o);
    $c->wait($o{timeout} // 10);

    return $c;
}


# mock(PATH, OPTIONS): asks weir-mock-llm itself

sub mock {
    my ($self, $path, %o) = @_;

    my $c = Weir::Client->new(%o, path => $path, port => $self->{mock_port});
    $c->wait(10) or die "mock: no answer to $path";

    return $c;
}


# mock_calls(TAG): what became of calls of the LLM, of all without a tag;
# calls(TAG): how often it was really asked

sub mock_calls {
    my ($self, $tag) = @_;

    $tag = defined $tag ? "?tag=$tag" : '';
    return decode_json($self->mock("/mock/calls$tag")->body);
}


sub calls {
    my ($self, $tag) = @_;

    return $self->mock_calls($tag)->{calls} // die 'mock: no count';
}


# edge_metric(NAME): of nginx, which has weir_metrics at /metrics

sub edge_metric {
    my ($self, $name) = @_;

    my ($n) = $self->ask('/metrics')->body =~ /^\Q$name\E (\d+)$/m
        or die "metrics: no $name";

    return $n;
}


# metric(NAME): of the worker, whose section metrics listens at metrics_port

sub metric {
    my ($self, $name) = @_;

    my $c = Weir::Client->new(path => '/metrics',
                              port => $self->{metrics_port});
    $c->wait(10) or die 'metrics: no answer';

    my ($n) = $c->body =~ /^weir_worker_\Q$name\E (\d+)$/m
        or die "metrics: no $name";

    return $n;
}


# redis(COMMAND...): strings, numbers, undef, arrays; dies on an error

sub redis {
    my ($self, @command) = @_;

    my $s = IO::Socket::UNIX->new(Peer => $self->home . '/redis.sock')
        or die "redis: $!";

    print $s join '', '*' . @command . "\r\n",
                      map { '$' . length($_) . "\r\n$_\r\n" } @command;
    $s->flush;

    return redis_reply($s);
}


sub redis_reply {
    my ($s) = @_;

    my $line = <$s> // die "redis: closed";
    $line =~ s/\r\n\z//;
    my ($type, $rest) = $line =~ /^(.)(.*)$/s;

    return $rest if $type eq '+' || $type eq ':';
    die "redis: $rest\n" if $type eq '-';
    return undef if $rest < 0;
    return [map { redis_reply($s) } 1 .. $rest] if $type eq '*';

    read $s, my $bytes, $rest + 2;
    return substr $bytes, 0, $rest;
}


sub spawn {
    my ($self, $name, @command) = @_;

    die "$name runs already" if $self->{pid}{$name};

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        setsid();
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/$name.out";
        open STDERR, '>>', "$self->{dir}/$name.log";
        no warnings 'exec';

        # whatever becomes of the test, its servers end

        exec 'setpriv', '--pdeathsig', 'TERM', '--', @command;
        print STDERR "$command[0]: $!\n";
        POSIX::_exit(127);
    }

    $self->{pid}{$name} = $pid;
}


sub ready {
    my ($self, $name, $code) = @_;

    $self->wait_for(20, sub {
        if (!$self->alive($name)) {
            delete $self->{pid}{$name};
            die "$name has ended\n" . $self->tails;
        }
        return $code->();
    }, "$name ready");
}


sub start_redis {
    my ($self) = @_;

    my $d = $self->{dir};

    write_file("$d/redis.conf", <<END . ($self->{redis} // ''));
port $self->{redis_port}
bind 127.0.0.1
unixsocket "$d/redis.sock"
dir "$d/redis"
daemonize no
appendonly yes
appendfsync everysec
auto-aof-rewrite-percentage 0
save ""
maxmemory 256mb
maxmemory-policy noeviction
END

    unlink "$d/redis.sock";
    $self->spawn('redis', 'redis-server', "$d/redis.conf");
    $self->ready('redis', sub { eval { $self->redis('PING') eq 'PONG' } });
}


sub start_mock {
    my ($self) = @_;

    my $d = $self->{dir};
    my $port = $self->{mock_port};

    unlink "$d/mock.port";
    $self->spawn('mock', "$self->{build}/weir-mock-llm", '--port-file',
                 "$d/mock.port",
                 $port ? ('--listen', "127.0.0.1:$port") : (),
                 @{ $self->{mock} // [] });
    $self->ready('mock', sub { slurp("$d/mock.port") =~ /^\d+\n/ });

    chomp($self->{mock_port} = slurp("$d/mock.port"));
}


sub start_worker {
    my ($self) = @_;

    my $d = $self->{dir};
    my $more = $self->{worker} // '';

    write_file("$d/worker.conf", $self->{worker_conf} // <<END);
redis {
    address = "unix:$d/redis.sock"
}

worker {
    runners = 2
    slots = 64
    run_dir = "$d"
    $more
}

provider "mock" {
    dialect = "@{[ $self->{dialect} // 'openai' ]}"
    base_url = "http://127.0.0.1:@{[ $self->{mock_port} // 9 ]}/v1"
    api_key_env = "OPENAI_API_KEY"
    @{[ $self->{provider} // '' ]}
}

model "*" {
    provider = "mock"
}
@{[ $self->{worker_more} // '' ]}
metrics {
    listen = "127.0.0.1:@{[ $self->{metrics_port} //= free_port() ]}"
}
END

    local $ENV{OPENAI_API_KEY} = 'mock';
    local $ENV{WEIR_FAULT} = $self->{faults} // '';

    my $build = $self->{build} . (defined $self->{faults} ? '/faults' : '');
    -x "$build/weir-worker" or die "make FAULTS=1 BUILD=$build artefacts";

    $self->spawn('worker', "$build/weir-worker", '-c', "$d/worker.conf");
    $self->ready('worker', sub {
        grep { /:live:/ } @{ $self->redis('KEYS', 'weir:*') };
    });
}


sub start_nginx {
    my ($self) = @_;

    my $d = $self->{dir};
    my %o = map { $_ => $self->{$_} // '' } qw(main http server location);
    my $load = join "\n", map { "load_module $_;" }
                          split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    my $temp = join "\n", map { "${_}_temp_path $d/t_$_;" }
                          qw(client_body proxy fastcgi uwsgi scgi);
    my $user = $> == 0 ? 'user root;' : '';
    my $home = $self->home;
    my $redis = $self->{weir_redis} // '';
    $redis = "unix:$home/redis.sock $redis" if $redis !~ /^(?:\d|unix:|none$)/;

    $self->keys;

    write_file("$d/nginx.conf", <<END);
$load
$user
worker_processes @{[ $self->{processes} // 2 ]};
daemon off;
pid $d/nginx.pid;
lock_file $d/nginx.lock;
error_log $d/nginx.log info;
$o{main}
events {
    worker_connections 2048;
}
http {
    access_log $d/access.log;
    $temp
    @{[ $redis eq 'none' ? '' : "weir_redis $redis;" ]}
    @{[ $self->{key_conf} // "weir_key_file $home/keys pepper=$home/pepper;" ]}
    $o{http}
    server {
        listen 127.0.0.1:$self->{port};
        $o{server}
        location / {
            $o{location}
        }
    }
}
END

    $self->spawn('nginx', $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx',
                 '-p', "$d/", '-c', "$d/nginx.conf", '-e', "$d/nginx.log");
    $self->ready('nginx', sub {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                              PeerPort => $self->{port});
    });
}


# end(): all servers leave, and said nothing that they should not; two tests

sub end {
    my ($self) = @_;

    my $running = grep { $self->{pid}{$_} } @SERVERS;
    my $status = $self->stop;

    Test::More::ok(!$running || $status == 0, 'all ended well')
        or Test::More::diag("status $status");

    my @lines = map { my $name = $_; map { "$name: $_\n" } grep {
        /\[(?:alert|emerg)\]|Sanitizer|runtime error:/
    } split /\n/, $self->log($name) } qw(mock worker nginx);

    if (-e "$ENV{TEST_NGINX_DIR}/expected") {
        for my $regex (split /\n/, slurp("$ENV{TEST_NGINX_DIR}/expected")) {
            @lines = grep { !/$regex/ } @lines;
        }
    }

    Test::More::is(join('', @lines), '', 'no alert was logged');
}


sub DESTROY {
    my ($self) = @_;

    return if $$ != $self->{owner};

    local ($?, $@, $!);

    for my $name (reverse @SERVERS) {
        next if !$self->{pid}{$name};
        eval { $self->stop($name); 1 } or warn $@;
    }
}


# nginx_test(ARGUMENTS): "nginx -t"; its status and what it said.  nginx does
# not free its pools at the end of a test, hence no search for leaks.

sub nginx_test {
    my (@args) = @_;

    local $ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} // '')
                               =~ s/detect_leaks=1/detect_leaks=0/r;

    open my $f, '-|', 'sh', '-c', 'exec "$0" "$@" 2>&1',
                $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx', '-t', @args
        or die "nginx: $!";
    my $said = join '', <$f>;
    close $f;

    return ($? >> 8, $said);
}


# what a process has in memory, in KB

sub rss { slurp("/proc/$_[0]/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : die }


sub slurp {
    my ($name) = @_;

    open my $f, '<', $name or return '';
    local $/;
    return <$f> // '';
}


sub write_file {
    my ($name, $text) = @_;

    open my $f, '>', $name or die "$name: $!";
    print $f $text;
    close $f or die "$name: $!";
}


sub append {
    my ($name, $text) = @_;

    open my $f, '>>', $name or die "$name: $!";
    print $f $text;
    close $f;
}


1;
