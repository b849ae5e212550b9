# SIGTERM: the worker finishes what it has, hands back the rest, and loses
# nothing.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;',
    worker => 'drain_timeout = 60s');

$stack->start;


sub body {
    my ($n, $plan) = @_;

    return encode_json({ request => { model => 'mock-1', messages => [
        { role => 'user', content => "[[mock tag=$n $plan]] $n." }
    ] } });
}


sub submit {
    my ($plan, @tags) = @_;

    my @c = map { $stack->request('/v1/jobs', body => body($_, $plan)) }
            @tags;
    Weir::Client::wait_all(20, @c) or die 'submissions';

    return map { decode_json($_->body)->{id} =~ s/^job_//r } @c;
}


sub fins {
    return join ' ', map {
        ($stack->redis('HGET', "weir:{0}:run:$_", 'fin') // 'none:') =~ s/:.*//r
    } @_;
}


sub open_calls { $stack->mock_calls->{open} }


# short calls are finished, and new ones are not begun

my @short = submit('delay=2000', map { "short-$_" } 1 .. 20);
$stack->wait_for(10, sub { open_calls() == 20 }, '20 calls');

$stack->signal('worker', 'TERM');
$stack->wait_log('worker', qr/event=stopping/, 5);
$stack->wait_log('worker', qr/(?:event=runner_draining.*){2}/s, 5);
my @later = submit('', map { "later-$_" } 1 .. 5);

is($stack->wait_exit('worker', 20), 0, 'leaves with status 0');
is(fins(@short), join(' ', ('completed') x 20), 'what ran is completed');
is($stack->calls("short-$_"), 1, "short-$_ was asked once") for 1 .. 20;
is(fins(@later), join(' ', ('none') x 5), 'what came then waits');
is($stack->calls("later-$_"), 0, "later-$_ was not asked") for 1 .. 5;

$stack->{worker} = 'drain_timeout = 3s';
$stack->start('worker');
$stack->wait_for(10, sub { fins(@later) !~ /none/ }, 'the next worker');
is(fins(@later), join(' ', ('completed') x 5), 'does it');


# calls that never end are handed back when the time is over

my @long = submit('hang=1 times=2', map { "long-$_" } 1 .. 10);
$stack->wait_for(10, sub { open_calls() == 10 }, '10 calls');

my $start = time;
is($stack->stop('worker'), 0, 'leaves with status 0');
cmp_ok(time - $start, '>', 2.5, 'after drain_timeout');
cmp_ok(time - $start, '<', 10, 'and not killed 10 s later');
is(fins(@long), join(' ', ('none') x 10), 'nothing is decided');

$stack->wait_for(5, sub { open_calls() == 0 }, 'the calls are cut');
$stack->mock('/mock/plan', method => 'PUT', body => '');

# handed back: taken again without waiting for a lease of 30 s

$stack->{worker} = 'drain_timeout = 60s';
$stack->start('worker');
$stack->wait_for(15, sub { open_calls() == 10 }, 'all are called again');

# twice TERM is at once: neither the calls nor drain_timeout end by themselves

my $before = length $stack->log('worker');
$stack->signal('worker', 'TERM');
$stack->wait_for(10, sub {
    substr($stack->log('worker'), $before) =~ /(?:event=runner_draining.*){2}/s;
}, 'both runners drain');
$stack->signal('worker', 'TERM');
is($stack->wait_exit('worker', 20), 0, 'twice TERM: status 0, at once');
is(fins(@long), join(' ', ('none') x 10), 'nothing is decided');

$stack->start('worker');

my @polls = map { $stack->request("/v1/jobs/job_$_",
                                  headers => ['Prefer: wait=15']) } @long;
ok(Weir::Client::wait_all(15, @polls), 'in the end');
is(fins(@long), join(' ', ('completed') x 10), 'all are completed');

is_deeply($stack->redis('ZRANGE', 'weir:{0}:deadline', 0, -1), [],
          'no run without an end');

# who drains after a reload was not told to leave at once when TERM comes, and
# has the time that it was started with

my ($slow) = submit('delay=3000', 'slow');
$stack->wait_for(5, sub { open_calls() == 1 }, 'a call');

$stack->redis('ZADD', 'weir:{0}:hooks', 9e12, 'owner:00' . 'x' x 22);
$stack->wait_for(10, sub { $stack->metric('webhooks_pending') == 1 },
                 'a webhook');

my $conf = $stack->dir . '/worker.conf';
my $text = Weir::Stack::slurp($conf);
$text =~ s/drain_timeout = 60s/drain_timeout = 0/ or die;
Weir::Stack::write_file($conf, $text);

$before = length $stack->log('worker');
$stack->signal('worker', 'HUP');
$stack->wait_for(5, sub {
    substr($stack->log('worker'), $before)
    =~ /^(?=.*event=reloaded)(?:.*event=runner_draining){2}/s;
}, 'a reload');
$stack->wait_for(10, sub { $stack->metric('runners_claiming') == 2 }, 'new ones');
select undef, undef, undef, 0.7;
is($stack->metric('webhooks_pending'), 1, 'no webhook counts twice');
$stack->signal('worker', 'TERM');
is($stack->wait_exit('worker', 20), 0, 'TERM after HUP: status 0');
is(fins($slow), 'completed', 'what ran is completed');
is($stack->calls('slow'), 1, 'and was asked once');

$stack->end;

done_testing();
