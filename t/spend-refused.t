# What was reserved for a job that is then not queued is given back at once.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(
    processes => 1,
    weir_redis => 'timeout=5s',
    http => '
        weir_max_waiting 1;
        weir_limit_zone $weir_owner zone=tokens:1m count=tokens
                        quota=1000/month scope=fleet;
        weir_limit_zone $weir_owner zone=jobs:1m count=jobs-at-once max=2
                        scope=fleet;',
    location => 'weir_api; weir_limit zone=tokens; weir_limit zone=jobs;');

$stack->start;


sub body {
    return encode_json({ model => 'm', max_tokens => 400, messages => [
        { role => 'user', content => $_[0] } ] });
}


# a reservation that is left to lapse would stay for 15 s here

my $waits = $stack->request('/v1/chat/completions',
                            body => body('[[mock hang]]'));

$stack->wait_for(5, sub { $stack->redis('ZCARD', 'weir:{0}:deadline') == 1 },
                 'one that waits');

for (1 .. 3) {
    my $c = $stack->ask('/v1/chat/completions', body => body('x'));

    is($c->status, 503, 'no more may wait');
    $stack->wait_for(10, sub {
        @{ $stack->redis('KEYS', 'weir:{0}:hold:*') } == 1
    }, 'its reservation is gone');
}

my ($tokens) = @{ $stack->redis('KEYS', 'weir:{0}:limit:tokens:*') };
my ($slots) = @{ $stack->redis('KEYS', 'weir:{0}:slots:*') };

cmp_ok($stack->redis('GET', $tokens) =~ s/ .*//r, '<', 500e6,
       'one is reserved');
is($stack->redis('ZCARD', $slots), 1, 'and has a place');

my ($id) = @{ $stack->redis('ZRANGE', 'weir:{0}:deadline', 0, -1) };

$stack->ask("/v1/jobs/job_$id", method => 'DELETE');
$waits->wait(10);
$stack->wait_for(10, sub { !@{ $stack->redis('KEYS', 'weir:{0}:hold:*') } },
                 'nothing is left');

$stack->end;
done_testing;
