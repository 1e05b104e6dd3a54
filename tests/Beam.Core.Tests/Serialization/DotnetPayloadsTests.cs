using Beam.Serialization;
using NUnit.Framework;

namespace Beam.Core.Tests.Serialization;

public sealed class DotnetPayloadsTests
{
    private static T Travel<T>(T value) => DotnetPayloads.Deserialize<T>(DotnetPayloads.Serialize(value, "transform 'Test'"));

    [Test]
    public void A_lambda_travels_with_what_it_captured()
    {
        var factor = 3;
        var names = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase) { ["a"] = 1 };
        Func<int, int> fn = x => (x * factor) + names["A"];
        Assert.That(Travel(fn)(5), Is.EqualTo(16));
    }

    [Test]
    public void A_lambda_that_captures_nothing_travels()
    {
        Func<string, int> fn = static s => s.Length;
        Assert.That(Travel(fn)("four"), Is.EqualTo(4));
    }

    [Test]
    public void Method_groups_of_the_program_and_of_value_types_travel()
    {
        Func<string, int> parse = int.Parse;
        Func<int, int> twice = Twice;
        Func<string, string> identity = Generic;
        Assert.Multiple(() =>
        {
            Assert.That(Travel(parse)("12"), Is.EqualTo(12));
            Assert.That(Travel(twice)(4), Is.EqualTo(8));
            Assert.That(Travel(identity)("x"), Is.EqualTo("x"));
        });
    }

    [Test]
    public void Nested_closures_and_shared_objects_keep_their_identity()
    {
        var shared = new List<int> { 1 };
        var pair = new Pair(shared, shared);
        var copy = Travel(pair);
        Assert.That(copy.Left, Is.SameAs(copy.Right));
        Func<Func<int>> outer = () => { var n = shared.Count; return () => n + 1; };
        Assert.That(Travel(outer)()(), Is.EqualTo(2));
    }

    [Test]
    public void Cycles_travel()
    {
        var node = new Node { Name = "n" };
        node.Next = node;
        var copy = Travel(node);
        Assert.That(copy.Next, Is.SameAs(copy));
    }

    private static readonly object[] Values =
    [
        true, (byte)200, (short)-3, 7, 8L, 1.5f, 2.5, 3.5m, 'ß', "text \ud800", DateTimeOffset.UnixEpoch.ToOffset(TimeSpan.FromHours(2)),
        TimeSpan.FromMinutes(3), Guid.Parse("7c9e6679-7425-40de-944b-e07fc1f90ae7"), new DateOnly(2024, 2, 29), DayOfWeek.Friday,
        new[] { 1, 2, 3 }, new[,] { { 1, 2 }, { 3, 4 } }, new[] { "a", null }, new List<string> { "x" }, new HashSet<int> { 4 },
        (1, "two"), KeyValuePair.Create("k", 2.0), typeof(Dictionary<string, int[]>), new Uri("https://example.org/a"), UInt64.MaxValue,
        (Huge)ulong.MaxValue, new Queue<int>([1, 2]), new byte[] { 1, 2 },
    ];

    [TestCaseSource(nameof(Values))]
    public void Values_travel(object value) => Assert.That(Travel(value), Is.EqualTo(value));

    [Test]
    public void A_stack_keeps_its_order() => Assert.That(Travel(new Stack<int>([1, 2, 3])).Pop(), Is.EqualTo(3));

    [Test]
    public void Transient_fields_do_not_travel()
    {
        var copy = Travel(new WithClient { Url = "u", Client = new HttpClient() });
        Assert.That((copy.Url, copy.Client), Is.EqualTo(("u", (HttpClient?)null)));
    }

    [Test]
    public void A_value_that_cannot_travel_is_named_with_the_way_to_it()
    {
        using var client = new HttpClient();
        var holder = new Holder { Inner = new Pair2(client) };
        Func<int> fn = () => holder.Inner!.Client!.GetHashCode();
        var error = Assert.Throws<PipelineConstructionException>(() => DotnetPayloads.Serialize(fn, "transform 'Fetch'"));
        Assert.That(error!.Message, Is.EqualTo(
            "The value 'holder.Inner.Client' of transform 'Fetch' is a System.Net.Http.HttpClient, which cannot travel to the workers: " +
            "it belongs to this process; create it in Setup and mark the field [Transient], or capture the plain values that it is made from."));
    }

    [Test]
    public void A_method_of_the_framework_that_does_things_is_refused()
    {
        Action<string> delete = File.Delete;
        Assert.That(() => DotnetPayloads.Serialize(delete, "transform 'T'"), Throws.TypeOf<PipelineConstructionException>().With.Message.Contains("lambda"));
    }

    [Test]
    public void A_lambda_that_captures_itself_travels()
    {
        Func<int, int> factorial = null!;
        factorial = n => n == 0 ? 1 : n * factorial(n - 1);
        Assert.That(Travel(factorial)(5), Is.EqualTo(120));
    }

    [Test]
    public void Lambdas_of_one_scope_that_use_one_another_travel()
    {
        var k = 2;
        Func<int, int> twice = x => x * k;
        Func<int, int> again = x => twice(twice(x)) + k;
        Assert.That((Travel(twice)(3), Travel(again)(3)), Is.EqualTo((6, 14)));
    }

    [Test]
    public void Damaged_payloads_end_in_one_kind_of_error()
    {
        var factor = 2;
        Func<int, int> fn = x => x * factor;
        var bytes = DotnetPayloads.Serialize(fn, "transform 'T'").ToByteArray();
        var random = new Random(1);
        for (var i = 0; i < 3000; i++)
        {
            var damaged = (byte[])bytes.Clone();
            if (i % 3 == 0) damaged = damaged[..random.Next(damaged.Length)];
            else for (var n = random.Next(1, 4); n > 0; n--) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                DotnetPayloads.Deserialize(Google.Protobuf.ByteString.CopyFrom(damaged));
            }
            catch (InvalidDataException)
            {
            }
        }
    }

    private static int Twice(int x) => 2 * x;

    private static T Generic<T>(T x) => x;

    private enum Huge : ulong { }

    private sealed record Pair(List<int> Left, List<int> Right);

    private sealed record Pair2(HttpClient? Client);

    private sealed class Holder { public Pair2? Inner { get; set; } }

    private sealed class Node { public string Name = ""; public Node? Next; }

    private sealed class WithClient
    {
        public string Url = "";
        [Transient] public HttpClient? Client;
    }
}
