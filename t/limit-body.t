# Limits that need the body, of classes of requests: who is refused by one of
# them has used up nothing of the others (RL-16).

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(http => <<'END', location => <<'END2');
    weir_class big max_tokens=1k;
    weir_class big model=huge-*,other;
    weir_limit_zone $weir_key_id zone=big:1m quota=2/month;
    weir_limit_zone $weir_key_id zone=fleet:1m quota=20/month scope=fleet;
    weir_limit_zone $weir_key_id zone=node:1m quota=20/month;
    weir_limit_zone $weir_key_id zone=sync:1m quota=20/month scope=fleet
                    sync=5;
    log_format limit '$status $weir_limit_status $weir_limit_zone';
    access_log limit.log limit;
END
    weir_api;
    weir_limit zone=big class=big;
    weir_limit zone=fleet;
    weir_limit zone=node;
    weir_limit zone=sync;
END2

$stack->start(qw(redis mock nginx));

sub submit {
    my (%o) = @_;

    return $stack->ask('/v1/jobs', body => encode_json({ request => {
        model => 'mock-1', messages => [{ role => 'user', content => 'Hi' }],
        %o } }));
}

# left(CLIENT): status, and what each limit has left

sub left {
    my ($c) = @_;
    my $left = $c->header('RateLimit') // '';
    return join ' ', $c->status, sort $left =~ /"(\w+";r=\d+)/g;
}

sub is_left {
    my ($c, $want, $name) = @_;
    is(left($c) =~ s/";r//gr, $want, $name);
}

is_left(submit(), '202 fleet=19 node=19 sync=19', 'a small one');
is_left(submit(max_tokens => 999), '202 fleet=18 node=18 sync=18',
        'not yet a big one');
is_left(submit(max_tokens => 1000), '202 big=1 fleet=17 node=17 sync=17',
        'a big one, by its tokens');
is_left(submit(model => 'huge-1'), '202 big=0 fleet=16 node=16 sync=16',
        'by its model');

# what is given back is back in Redis, a moment after the answer

sub back {
    my ($zone, $units) = @_;

    my ($name) = grep { /:$zone:/ }
                 @{ $stack->redis('KEYS', 'weir:*:limit:*') };

    $stack->wait_for(10, sub {
        $stack->redis('GET', $name) =~ /^${units}000000 \d+$/;
    }, "$units of $name");
}

for my $o ([model => 'other'], [model => 'huge-'], [max_tokens => 5000]) {
    my $c = submit(@$o);
    is_left($c, '429 big=0 fleet=16 node=16 sync=16',
            'one too many, which is counted nowhere');
    is_deeply(decode_json($c->body)->{'violated-policies'}, ['big'],
              'by that limit');
    back('fleet', 4);
}

is_left(submit(model => 'others'), '202 fleet=15 node=15 sync=15',
        'small ones go on');

for my $zone ('fleet', 'sync') {
    back($zone, 5);
    pass('Redis knows of the five that passed');
}

my $log = Weir::Stack::slurp($stack->dir . '/limit.log');
is(scalar(() = $log =~ /^429 REJECTED big$/mg), 3, 'the log names it');
is(scalar(() = $log =~ /^202 PASSED -$/mg), 5, 'and who passed');

# other routes have no body, and no class

is_left($stack->ask('/v1/jobs'), '200 fleet=14 node=14 sync=14',
        'no class without a body');

$stack->end;
done_testing;
