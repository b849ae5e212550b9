# Edge and worker that name different Redis for answers: none is ever found,
# and somebody says so.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my ($own, $third) = map { Weir::Stack->new } 1 .. 2;
$_->start('redis') for $own, $third;

my $ID = 'weir:{0}:answersid';
my $AT = 'weir:{0}:answersat';


sub edge {
    my ($redis, %o) = @_;

    my $more = $redis ? 'weir_cache_redis unix:' . $redis->dir
                        . '/redis.sock timeout=1s;' : '';

    return Weir::Stack->new(
        processes => 1,
        http => "weir_cache_zone answers 1m; $more",
        location => 'weir_api; weir_cache zone=answers;',
        server => 'location = /metrics { weir_metrics; }',
        worker_more => 'cache_redis { address = "unix:' . $own->dir
                       . '/redis.sock" }', %o);
}

my $right = edge($own);
$right->start;

my $none = edge(undef, edge_of => $right);
my $other = edge($third, edge_of => $right);
$_->start('nginx') for $none, $other;


sub misplaced { $_[0]->edge_metric('weir_cache_misplaced') }


# the worker tells

$right->wait_for(20, sub { $right->redis('GET', $AT) }, 'it is told where');

my $id = $own->redis('GET', $ID);
like($id, qr/^[0-9a-f]{32}$/, 'the Redis of answers has an id');
is($right->redis('GET', $AT), $id, 'the queue says so');
is($right->redis('EXISTS', $ID), 0, 'it keeps none itself');
cmp_ok($right->redis('TTL', $AT), '>', 3000, 'for an hour');


# an edge that looks elsewhere notices

my $SAID = qr/workers keep them in another: "weir_cache_redis"/;

for my $edge ($none, $other) {
    $edge->expect($SAID);
    $edge->wait_for(30, sub { misplaced($edge) }, 'it is noticed');
    $edge->wait_log('nginx', $SAID, 5);
    pass('it is noticed, and said');
}

is(misplaced($right), 0, 'not where it is right');
unlike($right->log('nginx'), $SAID, 'nothing is said');


# it was put right

$third->redis('SET', $ID, $id);
$other->wait_for(20, sub { !misplaced($other) }, 'right again');
is(scalar(() = $other->log('nginx') =~ /$SAID/g), 1, 'it was said once');
is(misplaced($none), 1, 'the other one is as wrong as before');


# what was emptied is known again

$own->redis('FLUSHALL');
$right->wait_for(20, sub { ($own->redis('GET', $ID) // '') =~ /./ }, 'an id');
isnt($own->redis('GET', $ID), $id, 'a new one');
$right->wait_for(20, sub { $right->redis('GET', $AT) eq $own->redis('GET', $ID) },
                 'told');


# a worker that keeps them elsewhere

$right->expect(qr/answers_elsewhere/);
$right->wait_for(30, sub {
    $right->redis('SET', $AT, 'another');
    return $right->log('worker') =~ /answers_elsewhere/;
}, 'another worker');
pass('a worker notices as well');

$_->end for $none, $other, $right, $third, $own;

done_testing();
