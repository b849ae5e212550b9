# The client leaves: its place among the waiting is free at once, and the job
# goes on.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', processes => 1,
    http => 'weir_max_waiting 5;',
    server => 'location = /metrics { weir_metrics; }');

$stack->start;


sub body {
    my ($text) = @_;

    return encode_json({ model => 'mock-1', messages => [
        { role => 'user', content => $text }] });
}


sub hold {
    my ($tag, $delay) = @_;

    return $stack->request('/v1/chat/completions',
        body => body("[[mock tag=$tag delay=$delay]] Hi"));
}


sub parked {
    my ($n) = @_;

    $stack->wait_for(3, sub {
        $stack->ask('/metrics')->body =~ /^weir_requests_parked $n$/m;
    }, "$n parked");
}


# as many as may wait, and one more

my @held = map { hold("first-$_", 6000) } 1 .. 5;
parked(5);

my $c = hold('too-many', 0);
ok($c->wait(5), 'one too many is answered at once');
is($c->status, 503, 'with 503');
is($c->header('Retry-After'), 1, 'Retry-After');

$c = $stack->ask('/v1/jobs', body => '{"request":' . body('Hi') . '}');
is($c->status, 202, 'a job without waiting is taken');
my $id = decode_json($c->body)->{id};
$c = $stack->ask("/v1/jobs/$id", headers => ['Prefer: wait=9']);
is($c->status, 200, 'a poll is answered at once');
cmp_ok($c->elapsed, '<', 5, 'without waiting');

# they leave, each in another way, long before their jobs are done

close $held[0]{socket};                                 # FIN
setsockopt $held[1]{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
close $held[1]{socket};                                 # RST
shutdown $held[2]{socket}, 1;                           # half
close $held[$_]{socket} for 3, 4;

parked(0);
cmp_ok(scalar(grep { defined $stack->redis('HGET', $_, 'fin') }
              @{ $stack->redis('KEYS', 'weir:{0}:run:*') }), '<=', 1,
       'none of their jobs is done by then');

my @second = map { hold("second-$_", 300) } 1 .. 5;
parked(5);
is($stack->calls('too-many'), 0, 'the one too many was never asked');

ok(Weir::Client::wait_all(5, @second), 'their places were free');
is(join(' ', map { $_->status } @second), '200 200 200 200 200',
   'and who came then is answered');


# the jobs of those who left are done

my @runs = map { s/^weir:\{0\}:run://r } @{ $stack->redis('KEYS',
                                                          'weir:{0}:run:*') };

$stack->wait_for(10, sub {
    !grep { ($stack->redis('HGET', "weir:{0}:run:$_", 'fin') // '')
            !~ /^completed:/ } @runs;
}, 'all runs completed');

is(scalar @runs, 11, 'all are there');
is($stack->calls("first-$_"), 1, "first-$_ was asked once") for 1 .. 5;


# gone before the submission is answered, many times

for (1 .. 50) {
    my $c = $stack->request('/v1/chat/completions',
                            body => body("[[mock tag=gone]] Hi"));
    close $c->{socket};
}

parked(0);
$stack->wait_for(5, sub {
    my @all = @{ $stack->redis('KEYS', 'weir:{0}:run:*') };
    return !grep { !defined $stack->redis('HGET', $_, 'fin') } @all;
}, 'what was submitted is done');

# a body that never comes whole

for my $part ('', '{', body('Hi') =~ s/.$//r) {
    my $c = Weir::Client->new(port => $stack->port, raw =>
        "POST /v1/jobs HTTP/1.1\r\nHost: x\r\n" . $stack->auth
        . "\r\nContent-Length: 500\r\n\r\n$part");
    close $c->{socket};
}

parked(0);
is($stack->ask('/metrics')->status, 200, 'all is well');

$stack->end;

done_testing();
