using Beam.Model.Pipeline;
using NUnit.Framework;

namespace Beam.Core.Tests.Transforms;

/// <summary>What transforms look like in the proto that runners get.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class GraphTests
{
    private readonly Pipeline pipeline = Pipeline.Create();

    [Test]
    public void Keys_with_fractions_are_refused_with_what_to_do() => Assert.That(
        () => pipeline.Create(KV.Of(0.5, "a")).GroupByKey(), Throws.TypeOf<PipelineConstructionException>().With.Message.Contains("Round the keys to long"));

    [Test]
    public void A_word_count_is_made_of_standard_transforms()
    {
        pipeline.Create("a b", "b")
            .FlatMap(line => line.Split(' '))
            .CountPerElement()
            .Map(kv => $"{kv.Key}: {kv.Value}", "Format");

        var transforms = pipeline.ToProto().Components.Transforms;
        Assert.That(transforms.Values.Select(t => t.Spec?.Urn).Where(u => !string.IsNullOrEmpty(u)).Distinct(), Is.SupersetOf(new[]
        {
            "beam:transform:impulse:v1", "beam:transform:pardo:v1", "beam:transform:reshuffle:v1", "beam:transform:group_by_key:v1",
            "beam:transform:combine_per_key:v1", "beam:transform:combine_grouped_values:v1",
        }));
        Assert.That(transforms.Keys, Is.SupersetOf(new[] { "Create", "FlatMap", "CountPerElement", "CountPerElement/CombinePerKey(Count)", "Format" }));
    }

    [Test]
    public void Every_input_of_a_transform_is_the_output_of_another()
    {
        var left = pipeline.Create(KV.Of("a", 1L), KV.Of("b", 2L));
        var right = pipeline.GenerateSequence(0, 10).WithKeys(n => n.ToString());
        left.CoGroupByKey(right).Values().Map(g => g.First.Count() + g.Second.Count());
        left.SumPerKey().Values().Sum().Flatten(right.Count(), right.Values().Mean().Map(m => (long)m)).Distinct().Reshuffle().Max();
        right.Values().Partition(3, n => (int)(n % 3))[1].Map(n => n / (n - 1), ExceptionHandling.Of<DivideByZeroException>(0.5));
        right.Latest().Keys().Top(3).Map(top => top.Count);

        var components = pipeline.ToProto().Components;
        var outputs = components.Transforms.Values.SelectMany(t => t.Outputs.Values).ToHashSet();
        foreach (var transform in components.Transforms.Values)
        {
            Assert.That(transform.Inputs.Values, Is.SubsetOf(outputs), transform.UniqueName);
            Assert.That(transform.Inputs.Values.Concat(transform.Outputs.Values), Is.SubsetOf(components.Pcollections.Keys), transform.UniqueName);
            Assert.That(transform.Subtransforms, Is.SubsetOf(components.Transforms.Keys), transform.UniqueName);
        }

        foreach (var collection in components.Pcollections.Values)
        {
            Assert.That(components.Coders, Does.ContainKey(collection.CoderId), collection.UniqueName);
            Assert.That(components.WindowingStrategies, Does.ContainKey(collection.WindowingStrategyId), collection.UniqueName);
        }
    }

    [Test]
    public void The_same_program_gives_the_same_names()
    {
        Assert.That(Build().Components.Transforms.Keys, Is.EquivalentTo(Build().Components.Transforms.Keys));

        static Model.Pipeline.Pipeline Build()
        {
            var p = Pipeline.Create();
            p.Create(1, 2, 3).Map(x => x + 1).Map(x => x * 2).Map(Twice).Filter(x => x > 2);
            return p.ToProto();
        }
    }

    [Test]
    public void A_transform_is_named_after_its_function_if_that_has_a_name()
    {
        pipeline.Create(1, 2, 3).Map(Twice).Map(x => x + 1).Map(Local).Map(Twice, "Named");
        Assert.That(pipeline.ToProto().Components.Transforms.Keys, Is.SupersetOf(new[] { "Map(Twice)", "Map", "Map(Local)", "Named" }));

        static int Local(int x) => x;
    }

    [Test]
    public void A_combine_carries_its_function_and_the_coder_of_its_accumulators()
    {
        pipeline.Create(KV.Of("a", 1.5), KV.Of("b", 2.5)).MeanPerKey();
        var components = pipeline.ToProto().Components;
        var composite = components.Transforms["CombinePerKey(Mean)"];
        var payload = CombinePayload.Parser.ParseFrom(composite.Spec.Payload);
        Assert.Multiple(() =>
        {
            Assert.That(composite.Spec.Urn, Is.EqualTo("beam:transform:combine_per_key:v1"));
            Assert.That(payload.CombineFn.Urn, Is.EqualTo("beam:dotnet:combine_fn:v1"));
            Assert.That(components.Coders, Does.ContainKey(payload.AccumulatorCoderId));
            Assert.That(composite.Subtransforms, Has.Count.EqualTo(2));
        });
    }

    [Test]
    public void Windows_travel_as_their_standard_functions()
    {
        var windowed = pipeline.Create(1).WindowInto(FixedWindows.Of(TimeSpan.FromSeconds(10)), TimestampCombiner.Latest, TimeSpan.FromSeconds(5));
        var components = pipeline.ToProto().Components;
        var transform = components.Transforms["WindowInto(FixedWindows)"];
        Assert.That(WindowIntoPayload.Parser.ParseFrom(transform.Spec.Payload).WindowFn.Urn, Is.EqualTo("beam:window_fn:fixed_windows:v1"));
        var strategy = components.WindowingStrategies[components.Pcollections[transform.Outputs["out"]].WindowingStrategyId];
        Assert.Multiple(() =>
        {
            Assert.That(strategy.AllowedLateness, Is.EqualTo(5000));
            Assert.That(strategy.OutputTime, Is.EqualTo(OutputTime.Types.Enum.LatestInPane));
            Assert.That(windowed.Windowing.WindowFn, Is.EqualTo(FixedWindows.Of(TimeSpan.FromSeconds(10))));
        });
    }

    [Test]
    public void Sessions_merge_in_the_first_grouping_only()
    {
        var grouped = pipeline.Create(KV.Of("a", 1)).WindowInto(Sessions.WithGap(TimeSpan.FromSeconds(1))).GroupByKey();
        var components = pipeline.ToProto().Components;
        Assert.That(
            components.WindowingStrategies[components.Pcollections[grouped.Id].WindowingStrategyId].MergeStatus, Is.EqualTo(MergeStatus.Types.Enum.AlreadyMerged));
    }

    [Test]
    public void A_reshuffle_keeps_the_windows_as_they_are()
    {
        var sessions = pipeline.Create(KV.Of("a", 1)).WindowInto(Sessions.WithGap(TimeSpan.FromSeconds(1)));
        Assert.That(sessions.Reshuffle().Windowing, Is.EqualTo(sessions.Windowing));
    }

    [Test]
    public void Grouping_by_a_key_without_a_deterministic_coder_is_refused_by_the_type_of_the_key()
    {
        var keyed = pipeline.Create(KV.Of(new Dictionary<string, int> { ["a"] = 1 }, 1));
        var error = Assert.Throws<PipelineConstructionException>(() => keyed.GroupByKey());
        Assert.That(error!.Message, Does.Contain("Dictionary").And.Contains("deterministic"));
    }

    [Test]
    public void Flattening_different_windows_is_refused()
    {
        var one = pipeline.Create(1);
        var other = pipeline.Create(2).WindowInto(FixedWindows.Of(TimeSpan.FromSeconds(1)));
        Assert.Throws<PipelineConstructionException>(() => one.Flatten(other));
    }

    [Test]
    public void Flattening_sessions_that_merged_and_sessions_that_did_not_is_refused_with_the_remedy()
    {
        var merged = pipeline.Create(KV.Of("a", 1)).WindowInto(Sessions.WithGap(TimeSpan.FromSeconds(1))).SumPerKey();
        var fresh = pipeline.Create(KV.Of("a", 2)).WindowInto(Sessions.WithGap(TimeSpan.FromSeconds(1)));
        var error = Assert.Throws<PipelineConstructionException>(() => fresh.Flatten(merged));
        Assert.That(error!.Message, Does.Contain(merged.Id).And.Contains(fresh.Id).And.Contains("merged").And.Contains("WindowInto"));
        Assert.Throws<PipelineConstructionException>(() => merged.CoGroupByKey(fresh));
        Assert.DoesNotThrow(() => merged.WindowInto(Sessions.WithGap(TimeSpan.FromSeconds(1))).Flatten(fresh));
    }

    [Test]
    public void Flattening_groups_with_different_event_times_is_refused()
    {
        var early = pipeline.Create(1).WindowInto(FixedWindows.Of(TimeSpan.FromSeconds(1)), TimestampCombiner.Earliest);
        var late = pipeline.Create(2).WindowInto(FixedWindows.Of(TimeSpan.FromSeconds(1)), TimestampCombiner.Latest);
        Assert.That(Assert.Throws<PipelineConstructionException>(() => early.Flatten(late))!.Message, Does.Contain("Earliest").And.Contains("Latest").And.Contains("WindowInto"));
    }

    [Test]
    public void The_longest_lateness_holds_for_what_is_flattened()
    {
        var one = pipeline.Create(1).WindowInto(FixedWindows.Of(TimeSpan.FromSeconds(1)));
        var patient = pipeline.Create(2).WindowInto(FixedWindows.Of(TimeSpan.FromSeconds(1)), allowedLateness: TimeSpan.FromSeconds(5));
        Assert.That(one.Flatten(patient).Windowing.AllowedLateness, Is.EqualTo(TimeSpan.FromSeconds(5)));
    }

    [Test]
    public void What_is_created_from_a_sequence_is_its_elements_whatever_its_static_type()
    {
        var list = new List<string> { "a", "b" };
        Assert.Multiple(() =>
        {
            Assert.That(pipeline.Create(list), Is.InstanceOf<PCollection<string>>());
            Assert.That(pipeline.Create((IReadOnlyList<string>)list), Is.InstanceOf<PCollection<string>>());
            Assert.That(pipeline.Create((IEnumerable<string>)list), Is.InstanceOf<PCollection<string>>());
            Assert.That(pipeline.Create(list.Select(s => s)), Is.InstanceOf<PCollection<string>>());
            Assert.That(pipeline.Create(list.ToArray()), Is.InstanceOf<PCollection<string>>());
            Assert.That(pipeline.Create(["a", "b"]), Is.InstanceOf<PCollection<string>>());
            Assert.That(pipeline.Create(new HashSet<int> { 1 }), Is.InstanceOf<PCollection<int>>());
            Assert.That(pipeline.Create(new Dictionary<string, int> { ["a"] = 1 }.Select(p => KV.Of(p.Key, p.Value))), Is.InstanceOf<PCollection<KV<string, int>>>());
            Assert.That(pipeline.Create(list, name: "Named"), Is.InstanceOf<PCollection<string>>());
            Assert.That(pipeline.Create(list, pipeline.Coders.Get<string>()), Is.InstanceOf<PCollection<string>>());
        });
    }

    [Test]
    public void What_is_created_from_values_is_these_values()
    {
        Assert.Multiple(() =>
        {
            Assert.That(pipeline.Create("word"), Is.InstanceOf<PCollection<string>>());
            Assert.That(pipeline.Create("two", "words"), Is.InstanceOf<PCollection<string>>());
            Assert.That(pipeline.Create<string>(), Is.InstanceOf<PCollection<string>>());
            Assert.That(pipeline.Create(1, 2), Is.InstanceOf<PCollection<int>>());
            Assert.That(pipeline.Create<List<int>>([1, 2]), Is.InstanceOf<PCollection<List<int>>>());
            Assert.That(pipeline.Create(new List<int> { 1 }, new List<int> { 2 }), Is.InstanceOf<PCollection<List<int>>>());
        });
    }

    [Test]
    public void Views_of_one_collection_with_different_defaults_are_different_side_inputs()
    {
        var numbers = pipeline.Create<int>();
        var (one, two) = (numbers.AsSingleton(1), numbers.AsSingleton(2));
        pipeline.Create(0).Map((x, context) => context.SideInput(one) + context.SideInput(two), "Both");
        Assert.That(ParDoPayload.Parser.ParseFrom(pipeline.ToProto().Components.Transforms["Both"].Spec.Payload).SideInputs, Has.Count.EqualTo(2));
    }

    [Test]
    public void A_global_combine_has_no_defaults_in_other_windows()
    {
        var windowed = pipeline.Create(1L).WindowInto(FixedWindows.Of(TimeSpan.FromSeconds(1)));
        Assert.That(Assert.Throws<PipelineConstructionException>(() => windowed.Sum())!.Message, Does.Contain("withoutDefaults"));
        Assert.DoesNotThrow(() => windowed.Sum(withoutDefaults: true));
        Assert.DoesNotThrow(() => windowed.Max());
    }

    [Test]
    public void A_lambda_that_captures_a_view_makes_it_a_side_input()
    {
        var threshold = pipeline.Create(5).AsSingleton();
        pipeline.Create(1, 7).Filter((x, context) => x > context.SideInput(threshold), "Above");
        var transform = pipeline.ToProto().Components.Transforms["Above"];
        Assert.That(ParDoPayload.Parser.ParseFrom(transform.Spec.Payload).SideInputs, Has.Count.EqualTo(1));
        Assert.That(transform.Inputs, Has.Count.EqualTo(2));
    }

    [TestCase(0)]
    [TestCase(-1)]
    public void Numbers_that_make_no_sense_are_refused(int n)
    {
        var input = pipeline.Create(1, 2);
        Assert.Multiple(() =>
        {
            Assert.Throws<PipelineConstructionException>(() => input.Top(n));
            Assert.Throws<PipelineConstructionException>(() => input.Sample(n));
            Assert.Throws<PipelineConstructionException>(() => input.Partition(n, _ => 0));
            Assert.Throws<PipelineConstructionException>(() => input.Reshuffle(n));
            Assert.Throws<PipelineConstructionException>(() => input.MapAsync((x, _) => Task.FromResult(x), n));
            Assert.Throws<PipelineConstructionException>(() => input.BatchElements(n, 10));
            Assert.Throws<PipelineConstructionException>(() => pipeline.GenerateSequence(10, n));
        });
    }

    private static int Twice(int x) => 2 * x;
}
