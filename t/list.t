# GET /v1/jobs: whose jobs, in which order, page by page.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::RedisProxy;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', server =>
    'location /short/ { weir_api; weir_result_ttl 10s; }');

$stack->start(qw(redis mock nginx));


sub submit {
    my ($text, %more) = @_;

    my $c = $stack->ask('/v1/jobs', %{ delete $more{_} // {} },
        body => encode_json({ request => { model => 'mock-1', messages => [
            { role => 'user', content => $text } ] }, %more }));
    is($c->status, 202, "submitted: $text");

    return decode_json($c->body)->{id};
}


sub list {
    my ($query, %o) = @_;

    my $c = $stack->ask("/v1/jobs$query", %o);
    is($c->status, 200, "list '$query'");

    return decode_json($c->body);
}


sub ids { map { $_->{id} } @{ $_[0]{data} } }


my @bob = (no_key => 1,
           headers => ["Authorization: Bearer $stack->{other_key}"]);

is_deeply(list(''), { object => 'list', data => [], first_id => undef,
                      last_id => undef, has_more => JSON::PP::false },
          'nothing yet');

my @mine = map { submit("job $_", metadata => { n => $_ }) } 1 .. 25;
my $his = submit('his', _ => { @bob });

# by the ms of their creation; of one ms in some order

my @newest = map { "job_$_" } @{ $stack->redis('ZREVRANGE',
                                               'weir:{0}:jobs:alice', 0, -1) };
is_deeply([sort @newest], [sort @mine], 'all of them are in the list');
my $page = list('');

is_deeply([ids($page)], [@newest[0 .. 19]], 'newest first, twenty');
is($page->{has_more}, JSON::PP::true, 'there are more');
is($page->{first_id}, $newest[0], 'first_id');
is($page->{last_id}, $newest[19], 'last_id');

my $row = $page->{data}[0];
is($row->{status}, 'queued', 'a row: status');
like($row->{metadata}{n}, qr/^\d+$/, 'metadata');
is($row->{links}{self}, "/v1/jobs/$newest[0]", 'link');
ok(!exists $row->{result}, 'no result');

$page = list("?after=$page->{last_id}");
is_deeply([ids($page)], [@newest[20 .. 24]], 'the second page');
is($page->{has_more}, JSON::PP::false, 'which is the last');

for my $limit (1, 7, 24, 25, 26, 100) {
    my (@all, $after);

    for (1 .. 30) {
        my $p = list("?limit=$limit" . ($after ? "&after=$after" : ''));
        push @all, ids($p);
        cmp_ok(scalar(@{ $p->{data} }), '<=', $limit, 'no more than asked');
        $after = $p->{last_id};
        last if !$p->{has_more};
    }

    is_deeply(\@all, \@newest, "by $limit: each once, in order");
}

is_deeply([ids(list('', @bob))], [$his], 'another owner sees his own');


# of one moment: an order all the same

$stack->redis('ZADD', 'weir:{0}:jobs:alice', map { (1000, substr $_, 4) }
                                             @mine);
my (@all, $after);

for (1 .. 30) {
    my $p = list('?limit=4' . ($after ? "&after=$after" : ''));
    push @all, ids($p);
    $after = $p->{last_id};
    last if !$p->{has_more};
}

is_deeply(\@all, [sort { $b cmp $a } @mine], 'jobs of one moment');


# what is gone, or was given up, is not shown

my @gone = @all[3 .. 12];
$stack->redis('DEL', map { (my $id = $_) =~ s/^job_//;
                           ("weir:{0}:job:$id", "weir:{0}:run:$id") } @gone);
(my $void = $all[20]) =~ s/^job_//;
$stack->redis('HSET', "weir:{0}:run:$void", 'fin', 'cancelled:edge');
my %gone = map { $_ => 1 } @gone, $all[20];
my @left = grep { !$gone{$_} } @all;

is_deeply([ids(list('?limit=10'))], [@left[0 .. 9]], 'a full page of the rest');
is_deeply([ids(list('?limit=100'))], \@left, 'all of them');


# by status

$stack->ask("/v1/jobs/$left[4]", method => 'DELETE');
is_deeply([ids(list('?status=cancelled'))], [$left[4]], 'cancelled');
is_deeply([ids(list('?status=queued&limit=100'))],
          [grep { $_ ne $left[4] } @left], 'queued');
is_deeply([ids(list('?status=completed'))], [], 'completed: none');


# mistakes

for my $bad ('limit=0', 'limit=101', 'limit=x', 'limit=-1', 'status=done',
             'after=x', 'after=job_00', "after=$his",
             'after=job_00' . 'z' x 22)
{
    my $c = $stack->ask("/v1/jobs?$bad");
    is($c->status, 400, "$bad: 400");
    like($c->header('Content-Type'), qr{problem\+json}, 'a problem');
}

is($stack->ask('/v1/jobs', method => 'HEAD')->status, 200, 'HEAD');
is($stack->ask('/v1/jobs', no_key => 1)->status, 401, 'a key is needed');

my $reader = $stack->create_key('alice', 'submit');
$stack->wait_for(5, sub {
    $stack->ask('/v1/jobs', no_key => 1, headers =>
                ["Authorization: Bearer $reader"])->status == 403
}, 'its scope is looked at');


# a result that is kept no longer

$stack->start('worker');
$stack->wait_for(10, sub { !$stack->redis('ZCARD', 'weir:{0}:deadline') },
                 'all are done');
my $id = submit('short', _ => { });
$stack->wait_for(10, sub {
    $stack->ask("/v1/jobs/$id")->body =~ /"status":"completed"/ }, 'done');
(my $run = $id) =~ s/^job_//;
my ($state, $token) = split /:/, $stack->redis('HGET', "weir:{0}:run:$run",
                                               'fin');
cmp_ok($stack->redis('TTL', "weir:{0}:run:$run"), '>', 80000,
       'the record lives for a day');
cmp_ok($stack->redis('TTL', "weir:{0}:outcome:$run:$token"), '<=', 3600,
       'the result for an hour');
is($stack->redis('EXISTS', "weir:{0}:request:$run"), 0, 'the request is gone');
$stack->redis('DEL', "weir:{0}:outcome:$run:$token");
my $job = decode_json($stack->ask("/v1/jobs/$id")->body);
is($job->{status}, 'completed', 'it is known that it was done');
is($job->{error}{code}, 'result_expired', 'and that it is gone');
is($job->{error}{status}, 410, 'as 410');

# the list may lose its end while a page is being looked for

my $proxy = Weir::RedisProxy->new(path => $stack->dir . '/proxy.sock',
                                  to => $stack->dir . '/redis.sock');
my $edge = Weir::Stack->new(edge_of => $stack, location => 'weir_api;',
    weir_redis => 'unix:' . $stack->dir . '/proxy.sock');
$edge->start('nginx');
$edge->wait_for(10, sub { $edge->ask('/v1/jobs')->status == 200 }, 'the edge');

my $gone = '00' . 'z' x 22;
$stack->redis('ZADD', 'weir:{0}:jobs:alice', (time + 60 + $_) * 1000,
              '00' . $_ x 22) for 1 .. 2;
$proxy->rules({ on => 'ZSCORE', reply => "\$-1\r\n", times => 1 });
my $ended = $edge->ask('/v1/jobs?limit=1');
is($ended->status, 200, 'no end any more: 200');
is(decode_json($ended->body)->{has_more}, JSON::PP::false, 'nothing follows');
is($edge->ask("/v1/jobs?after=job_$gone")->status, 400, 'asked for: 400');
$edge->stop('nginx');

done_testing();
