# Streams whose servers die, or are told to go: whoever had text of an attempt
# that died gets an error, readers of events go on, and nothing is silently
# short.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Weir::Saying;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api; weir_heartbeat 500ms;',
    server => 'location = /metrics { weir_metrics; }',
    main => 'worker_shutdown_timeout 4s;', processes => 1,
    worker => "attempts = 3\n    backoff = 200ms\n    lease = 3s");

$stack->start;


sub saying { Weir::Saying->new(stack => $stack, words => 60, every => 40, @_) }
sub run_of { $_[0]->header('X-Weir-Job') =~ s/^job_//r }

sub begun {
    my ($s, $name) = @_;

    my $c = $s->stream(headers => ["Idempotency-Key: $name"]);
    ok($c->wait(10, qr/w5 /), "$name: it has begun");
    my $e = $s->events_of($c)->open;
    ok($e->{client}->wait(10, qr/w5 /), "$name: and is read");

    return ($c, $e);
}


# the runners

my $s = saying(every => 80);
my ($c, $e) = begun($s, 'runner');
my @old = $stack->children('worker');
kill KILL => @old;
ok($c->wait(20), 'runner: the stream ends');
is($s->is_sound($c, 'runner'), 'cut', 'runner: in an error');
like($c->body, qr/stream_interrupted/, 'runner: that tells why');
is($e->text(30), $s->said, 'runner: a reader has all');
is($e->{resets}, 1, 'runner: after what was said was taken back');
is($e->{done}{status}, 'completed', 'runner: the job is completed');
is($s->events_of($c)->text(10), $s->said, 'runner: and one who comes later');


# one who comes when the first attempt has died has the second alone

$s = saying(every => 80);
($c, $e) = begun($s, 'again');
kill KILL => $stack->children('worker');
$e->leave;
ok($c->wait(20), 'again: the stream ends');
my $again = $s->stream(headers => ['Idempotency-Key: again']);
ok($again->wait(30), 'again: asked again with the key');
is($s->is_sound($again, 'again'), 'whole', 'again: has all');
is($e->text(30), $s->said, 'again: as has a reader who comes back');


# nginx

$s = saying();
($c, $e) = begun($s, 'nginx');
my $alone = saying(words => 400);
my $left = $alone->stream;
ok($left->wait(10, qr/w5 /), 'nginx: another, that nobody else reads');
my $run = run_of($left);
$stack->kill_child('nginx');
ok(!$c->wait(10), 'nginx: the stream has no end');
unlike($c->body, qr/DONE|error/, 'nginx: of any kind');
is($e->text(30), $s->said, 'nginx: a reader comes again, and has all');
is($e->{resets}, 0, 'nginx: without a reset');

my @until = @{ $stack->redis('ZRANGE', "weir:{0}:readers:$run", 0, -1,
                             'WITHSCORES') };
cmp_ok($until[1] / 1000, '<', time + 31, 'nginx: who is gone is forgotten');
$stack->redis('ZADD', "weir:{0}:readers:$run", int(time * 1000), $until[0]);
$stack->wait_for(15, sub { $stack->mock_calls($alone->tag)->{aborted} == 1 },
                 'nginx: and then the provider is hung up on');


# a reload

$s = saying();
($c, $e) = begun($s, 'reload');
my ($old) = $stack->children('nginx');
$stack->signal('nginx', 'HUP');
$stack->wait_for(10, sub {
    grep { $_ != $old } $stack->children('nginx');
}, 'another process');
my $new = $s->stream;
ok($c->wait(10), 'reload: the stream goes on');
is($s->is_sound($c, 'reload'), 'whole', 'reload: to its end');
is($e->text(20), $s->said, 'reload: a reader has all');
cmp_ok($e->{times}, '>', 1, 'reload: at another process');
is($e->{resets}, 0, 'reload: without a reset');
ok($new->wait(10), 'reload: a new one');
is($s->is_sound($new, 'new'), 'whole', 'reload: is whole');
$stack->wait_for(10, sub { !grep { $_ == $old } $stack->children('nginx') },
                 'the old one has gone');


# a reload, and a stream that takes too long

$s = saying(words => 400);
$c = $s->stream;
ok($c->wait(10, qr/w5 /), 'shutdown: it has begun');
($old) = $stack->children('nginx');
$stack->signal('nginx', 'HUP');
ok(!$c->wait(15), 'shutdown: no end');
unlike($c->body, qr/DONE/, 'shutdown: that is clean');
$stack->wait_for(10, sub { !grep { $_ == $old } $stack->children('nginx') },
                 'the old one has gone');
$run = run_of($c);
is($stack->wait_for(40, sub {
    $stack->redis('HGET', "weir:{0}:run:$run", 'fin');
}, 'shutdown: its run ends'), 'cancelled:left', 'shutdown: and so does its run');

$stack->end;

done_testing();
