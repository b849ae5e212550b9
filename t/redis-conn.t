# The connection to a real Redis: addresses, passwords, users, databases; a
# Redis that is restarted, and one that is stopped in its tracks.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $job = '{"request":{"model":"m","messages":[{"role":"user",'
          . '"content":"Hi"}]}}';
my $server = 'location = /readyz { weir_readyz; }
              location = /other { return 200 "ok"; }
              location = /metrics { weir_metrics; }';

my $base = Weir::Stack->new(server => $server, redis => <<'END');
user weir on >letmein allkeys allchannels allcommands
user narrow on >letmein resetkeys allchannels allcommands
databases 16
END

$base->keys;
$base->start('redis');
my $d = $base->dir;
my $sock = "unix:$d/redis.sock";
my $tcp = "127.0.0.1:$base->{redis_port}";

Weir::Stack::write_file("$d/password", "letmein\n");
Weir::Stack::write_file("$d/wrong", "wrong\n");


sub edge {
    my ($weir_redis, %o) = @_;

    my $edge = Weir::Stack->new(edge_of => $base, location => 'weir_api;',
                                server => $server, weir_redis => $weir_redis,
                                processes => 1, %o);
    $edge->start('nginx');

    return $edge;
}


sub ready {
    my ($edge, $status) = @_;

    $edge->wait_for(10, sub { $edge->ask('/readyz')->status == $status },
                    "readyz $status");
}


# addresses and databases

for ([$sock, 0], [$tcp, 0], ["$tcp database=3", 3], ["$sock database=7", 7],
     ["$sock user=weir password_file=$d/password", 0],
     ["$tcp user=weir password_file=$d/password database=2", 2])
{
    my ($weir_redis, $db) = @$_;
    my $name = $weir_redis =~ s{\S*/}{}gr;
    my $edge = edge($weir_redis);

    my $c = $edge->ask('/v1/jobs', body => $job);
    is($c->status, 202, "$name: works");
    my $id = decode_json($c->body)->{id};

    my ($found) = `redis-cli -s $d/redis.sock -n $db EXISTS weir:{0}:job:@{[
                   $id =~ s/^job_//r ]}` =~ /^(\d)/;
    is($found, 1, "$name: in database $db");
    is($edge->ask("/v1/jobs/$id")->status, 200, "$name: and back");
    $edge->end;
}


# refused by Redis

for (["$sock user=weir password_file=$d/wrong", qr/WRONGPASS/],
     ["$sock user=nobody password_file=$d/password", qr/WRONGPASS/],
     ["$sock database=16", qr/DB index is out of range/])
{
    my ($weir_redis, $says) = @$_;
    my $edge = edge("$weir_redis connect_timeout=300ms");
    my $c = $edge->ask('/v1/jobs', body => $job);

    is($c->status, 503, "$says: 503");
    is($c->header('Retry-After'), 1, "$says: Retry-After");
    like($edge->log('nginx'), qr/refused the connection .*$says/,
         "$says: told");
    unlike($edge->log('nginx'), qr/letmein/, 'without the password');
    is($edge->ask('/readyz')->status, 503, "$says: not ready");
    $edge->end;
}

# a user who may not write our keys

{
    my $edge = edge("$sock user=narrow password_file=$d/password");
    my $c = $edge->ask('/v1/jobs', body => $job);

    is($c->status, 503, 'NOPERM: 503');
    like($edge->log('nginx'), qr/refused a submission: "NOPERM/,
         'NOPERM: told');
    $edge->end;
}


# a password of the default user, set and taken away while we are connected

{
    $base->redis('CONFIG', 'SET', 'requirepass', 'letmein');

    my $edge = edge("$sock password_file=$d/password");

    is($edge->ask('/v1/jobs', body => $job)->status, 202, 'a password');
    $edge->end;

    $edge = edge("$sock connect_timeout=300ms");
    is($edge->ask('/v1/jobs', body => $job)->status, 503, 'none: 503');
    $edge->wait_log('nginx', qr/NOAUTH/, 5);

    `redis-cli -s $d/redis.sock --no-auth-warning -a letmein CONFIG SET \\
     requirepass '' 2>&1`;
    ready($edge, 200);
    is($edge->ask('/v1/jobs', body => $job)->status, 202, 'later it works');
    $edge->end;
}


# Redis closes the connections, or is started again

my $edge = edge("$sock timeout=500ms connect_timeout=500ms");
ready($edge, 200);

for my $n (1 .. 3) {
    ready($edge, 200);
    my $lost = metric('weir_redis_failures_total');

    $base->redis('CLIENT', 'KILL', 'TYPE', $_, 'SKIPME', 'yes')
        for qw(normal pubsub);

    # a submission on its way when the connection goes may get 503

    $base->wait_for(5, sub {
        metric('weir_redis_failures_total') >= $lost + 2;
    }, 'both connections are lost');
    is($edge->ask('/v1/jobs', body => $job)->status, 202,
       "connections killed: a job waits for the next one, $n");
}

ready($edge, 200);

my $chat = $job =~ s/^\{"request":(.*)\}$/$1/r;
my $before = metric('weir_jobs_submitted_total');
my @held = map { $edge->request('/v1/chat/completions', body => $chat) } 1 .. 5;
my @runs;
$base->wait_for(5, sub {
    @runs = @{ $base->redis('ZRANGE', 'weir:{0}:deadline', -5, -1) };
    metric('weir_requests_parked') == 5
        && metric('weir_jobs_submitted_total') == $before + 5;
}, 'five held requests');

sub metric { $edge->edge_metric(@_) }


# stopped in its tracks: submissions get 503, others notice nothing, who is
# held stays

$base->signal('redis', 'STOP');

my $start = time;
my $c = $edge->request('/v1/jobs', body => $job);
my $slowest = 0;

while (!$c->wait(0.01)) {
    my $other = $edge->ask('/other', no_key => 1);
    $slowest = $other->elapsed if $other->elapsed > $slowest;
    last if time - $start > 10;
}

is($c->status, 503, 'SIGSTOP: 503');
is($c->header('Retry-After'), 1, 'Retry-After');
cmp_ok($c->elapsed, '<', 5, 'after the timeout');
cmp_ok($slowest, '<', 0.5, 'other locations answer at once');

ready($edge, 503);
is($edge->ask('/v1/jobs', body => $job)->status, 503, 'and then at once');
is(metric('weir_requests_parked'), 5, 'held requests stay');

$base->signal('redis', 'CONT');
ready($edge, 200);
is($edge->ask('/v1/jobs', body => $job)->status, 202, 'SIGCONT: 202');

# the submission that got 503 never runs: no run without a payload is left

my @all = @{ $base->redis('KEYS', 'weir:{0}:run:*') };
$base->wait_for(5, sub {
    (grep { ($base->redis('HGET', $_, 'fin') // '') eq 'cancelled:edge' }
     @all = @{ $base->redis('KEYS', 'weir:{0}:run:*') }) >= 1;
}, 'what got 503 is cancelled');


# killed, and started with its log

$base->redis('CONFIG', 'SET', 'appendfsync', 'always');
my $id = decode_json($edge->ask('/v1/jobs', body => $job)->body)->{id};
$base->signal('redis', 'KILL');
ready($edge, 503);
is(metric('weir_requests_parked'), 5, 'held requests stay again');
$base->start('redis');
ready($edge, 200);
is($edge->ask("/v1/jobs/$id")->status, 200, 'the job is still there');

# and the held ones are answered when their runs end

for my $run (map { s/^weir:\{0\}:run://r } @{ $base->redis('KEYS',
                                                          'weir:{0}:run:*') })
{
    $base->redis('HSETNX', "weir:{0}:run:$run", 'fin', 'cancelled:owner');
    $base->redis('HSETNX', "weir:{0}:run:$run", 'fin_at', 1700000000000);
}

ok(Weir::Client::wait_all(5, @held), 'held requests are answered');
is(join(' ', map { $_->status } @held), '409 409 409 409 409',
   'as their runs ended');

$edge->end;
$base->end;

done_testing();
