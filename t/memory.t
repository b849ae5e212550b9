# Redis's memory: no claims above 90 percent of it, a loud word if it has no
# limit, and a worker that starts with a Redis that is full.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;');

$stack->start;


sub submit {
    my (@tags) = @_;

    # the edge, which has limits of its own, looks every now and then

    return map {
        my $tag = $_;
        my $c = $stack->wait_for(5, sub {
            my $try = $stack->ask('/v1/jobs', body => encode_json({ request => {
                model => 'mock-1', messages => [
                    { role => 'user', content => "[[mock tag=$tag]] $tag." }]
            } }));
            $try->status == 202 && $try;
        }, 'a submission');
        decode_json($c->body)->{id} =~ s/^job_//r;
    } @tags;
}


# nginx looks once a second

sub open_again {
    $stack->wait_log('nginx', qr/jobs are taken again(?!.*jobs are refused)/s,
                     5);
}


sub final { scalar grep { defined $stack->redis('HGET', "weir:{0}:run:$_",
                                                'fin') } @_ }

sub used { $stack->redis('INFO', 'memory') =~ /^used_memory:(\d+)/m; $1 }
sub limit { $stack->redis('CONFIG', 'SET', 'maxmemory', int $_[0]) }

my $ballast = 'weir:{0}:outcome:00' . 'x' x 22 . ':1';

unlike($stack->log('worker'), qr/redis_unlimited/, 'a limit: no word');


# full enough that nothing is claimed, not so full that nothing is written

my @before = submit('first');
$stack->wait_for(5, sub { final(@before) == 1 }, 'the first');

$stack->redis('SET', $ballast, 'x' x 50e6, 'EX', 600);
limit(used() / 0.95);
$stack->wait_for(10, sub { $stack->metric('queue_full') == 1 }, 'full');
my $percent = $stack->metric('redis_memory_percent');
cmp_ok($percent, '>=', 93, 'the gauge');
cmp_ok($percent, '<=', 96, 'the gauge');
like($stack->log('worker'), qr/error .*event=claims_stopped percent=\d+/,
     'the log');
$stack->redis('XADD', 'weir:{0}:ready:normal', '*', 'run', '00' . 'x' x 22,
              'gen', 1);
my @waiting;
is($stack->metric('runners_claiming'), 2, 'the runners are ready');

$stack->wait_for(10, sub {
    $stack->redis('INFO', 'clients') =~ /blocked_clients:2\b/;
}, 'nobody waits for entries');
is($stack->redis('XPENDING', 'weir:{0}:ready:normal', 'weir')->[0], 0,
   'nothing is claimed');

# below 90, but not below 88: it stays so

limit(used() / 0.89);
$stack->wait_for(10, sub { $stack->metric('redis_memory_percent') <= 89 },
                 'a little less');
is($stack->metric('queue_full'), 1, 'that is not enough');

limit(used() / 0.8);
$stack->wait_for(10, sub { $stack->metric('queue_full') == 0 }, 'memory');
like($stack->log('worker'), qr/event=claims_resumed percent=\d+/, 'the log');
$stack->wait_for(10, sub { $stack->redis('XLEN', 'weir:{0}:ready:normal') == 0 },
                 'claims again');


# no limit: that of the machine, and a word about it

$stack->stop('worker');
limit(0);
$stack->start('worker');
$stack->wait_log('worker', qr/warn .*event=redis_unlimited/, 5);
my @words = $stack->log('worker') =~ /redis_unlimited/g;
is(scalar(@words), 1, 'once');
open_again();
@waiting = submit('second');
$stack->wait_for(5, sub { final(@waiting) == 1 }, 'it works');
cmp_ok($stack->metric('redis_memory_percent'), '<', 90, 'of the machine');


# retries that are due while nothing can be written: no busy loop

sub looks {
    $stack->redis('INFO', 'commandstats')
        =~ /^cmdstat_zrangebyscore:calls=(\d+)/m ? $1 : 0;
}

my $delayed = 'weir:{0}:delayed';
my $due = $stack->redis('TIME')->[0] . '999';
$stack->redis('ZADD', $delayed, map { ($due, sprintf 'normal:2:00%022d', $_) }
              1 .. 300);
limit(1);
select undef, undef, undef, 2;
my $looks = looks();
select undef, undef, undef, 2;
cmp_ok(looks() - $looks, '<', 100, 'it looks a few times a second');
limit(0);
$stack->wait_for(5, sub { $stack->redis('ZCARD', $delayed) == 0 },
                 'memory: they are promoted');
open_again();


# a Redis that refuses to write, and groups that exist: claims begin as soon as
# there is memory

$stack->stop('worker');
@waiting = submit(map { "third-$_" } 1 .. 5);
limit(1);

my $log = length $stack->log('worker');
$ENV{OPENAI_API_KEY} = 'mock';
$stack->spawn('worker', "$stack->{build}/weir-worker", '-c',
              $stack->dir . '/worker.conf');
$stack->wait_for(5, sub {
    substr($stack->log('worker'), $log) =~ /event=claims_stopped/;
}, 'it starts');
is(final(@waiting), 0, 'and waits');
unlike(substr($stack->log('worker'), $log), qr/queue_later.*at=group/,
       'groups that exist are no trouble');
limit(0);
$stack->wait_for(5, sub { final(@waiting) == 5 }, 'memory: all is done');

$stack->end;

done_testing();
