# A purge while a run with followers is under way: who had joined gets its
# answer, who asks after the purge does not, and nothing of it is kept; on two
# nginx, within a second.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Askers;
use Weir::Stack;

my $DELAY = 2500;                   # ms, of the LLM
my $tag = 0;

my %o = (cache => 'scope=shared tag=$http_x_tag', processes => 2);

my $near = cached_stack(%o);
$near->start;
my $far = another_edge($near, %o);
$far->start('nginx');

my $admin = "Authorization: Bearer $near->{admin_key}";
my @tag = ('X-Tag: spring');


sub text { return "[[mock tag=purge-$tag delay=$DELAY]] Hi" }

sub calls { return $near->calls("purge-$tag") }

sub run_of { return join ' ', sort keys %{{ map {
    ($_->body =~ /"(chatcmpl-\w+)"/ ? $1 : 'none') => 1 } @_ }} }


# under_way(): someone leads, others have joined him, of either kind, anywhere

sub under_way {
    $tag++;

    my @c = chat($near, text(), headers => [@tag]);
    $near->wait_for(5, sub { calls() == 1 }, 'a call');

    push @c, map { chat($_, text(), headers => [@tag]),
                   job($_, text(), headers => ['Prefer: wait=20', @tag]) }
             $near, $far, $near, $far;
    parked(scalar @c, $near, $far);

    return @c;
}


sub stored {
    return map { ($_->body =~ /"(chatcmpl-\w+)"/)[0] // $_->status }
           map { ask_all(5, chat($_, text(), headers =>
                                 ['Cache-Control: only-if-cached', @tag])) }
           $near, $far;
}



my %purge = (
    key   => sub {
        my ($c) = ask_all(5, chat($near, text(), no_key => 1, headers =>
            [$admin, 'Cache-Control: only-if-cached', @tag]));
        return { key => $c->header('Cache-Status')
                        =~ /key="([0-9a-f]{64})"/ };
    },
    owner => sub { { owner => 'alice' } },
    model => sub { { model => 'mock-1' } },
    tag   => sub { { tag => 'spring' } },
    all   => sub { { all => JSON::PP::true } });


sub purge {
    my ($edge, $what) = @_;

    my $c = $edge->ask('/v1/cache/purge', no_key => 1, headers => [$admin],
                       body => encode_json($purge{$what}->()));
    is($c->status, 200, "$what: purged") or diag $c->body;
}


for my $what (qw(key owner model tag all)) {

    # others ask after it: of the same owner, and of another one who shares

    my @before = under_way();
    purge($far, $what);
    my $at = time;

    my @after = map { my $edge = $_;
                      map { chat($edge, text(), no_key => 1, headers =>
                                 ["Authorization: Bearer $near->{$_}", @tag]) }
                      qw(key other_key) } $near, $far;
    push @after, map { my $edge = $_;
                       map { job($edge, text(), no_key => 1, headers =>
                                 ["Authorization: Bearer $near->{$_}",
                                  'Prefer: wait=20', @tag]) }
                       qw(key other_key) } $near, $far;

    $near->wait_for(5, sub { calls() == 2 }, 'a second call');
    cmp_ok(time - $at, '<', 1, "$what: it is asked anew within a second");

    ask_all(20, @before, @after);
    is(status_of(@before, @after), 200, "$what: all are answered");
    is(calls(), 2, "$what: two calls");

    my ($first, $second) = (run_of(@before), run_of(@after));

    is($first =~ tr/ //, 0, "$what: who had joined gets the answer of the run");
    is($second =~ tr/ //, 0, "$what: who asks later gets one answer");
    isnt($second, $first, "$what: another one");
    is(join(' ', stored()), "$second $second", "$what: which is kept");

    # nobody asks after it

    @before = under_way();
    purge($near, $what);
    ask_all(20, @before);
    is(status_of(@before), 200, "$what: all are answered");
    is(run_of(@before) =~ tr/ //, 0, "$what: by the run they had joined");
    is(join(' ', stored()), '504 504', "$what: nothing is kept");
}


# a job that had joined, and does not wait, gets it too; one that comes later
# has another

my @before = under_way();
my @jobs = ask_all(5, job($far, text(), headers => [@tag]));
purge($near, 'owner');
push @jobs, ask_all(5, job($far, text(), headers => [@tag]));
ask_all(20, @before);

my @end = map {
    ask_all(20, $near->request('/v1/jobs/' . decode_json($_->body)->{id},
                               headers => ['Prefer: wait=20']))
} @jobs;

is(status_of(@end), 200, 'jobs end');
is(run_of($end[0]), run_of(@before), 'one that had joined');
isnt(run_of($end[1]), run_of(@before), 'one that came later');

nothing_left($near);

done_testing();
