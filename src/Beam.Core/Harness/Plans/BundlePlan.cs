using Beam.Coders;
using Beam.Model.FnExecution;
using Proto = Beam.Model.Pipeline;

namespace Beam.Harness;

/// <summary>
/// A descriptor, understood once: its transforms in order, producers first, and the types of its collections. Processors are made of it.
/// </summary>
internal sealed class BundlePlan
{
    private readonly ProcessBundleDescriptor _descriptor;

    public BundlePlan(ProcessBundleDescriptor descriptor)
    {
        _descriptor = descriptor;
        Coders = new DescriptorCoders(descriptor);
        Transforms = InOrder([.. descriptor.Transforms.Where(t => t.Value.Subtransforms.Count == 0).Select(t => TransformPlans.Create(t.Key, t.Value, this))]);
        Types = new TypeMap(descriptor, Coders);
        InferTypes();
    }

    public ProcessBundleDescriptor Descriptor => _descriptor;

    public DescriptorCoders Coders { get; }

    public IReadOnlyList<TransformPlan> Transforms { get; }

    public TypeMap Types { get; }

    public string CoderIdOf(string collectionId) => Collection(collectionId).CoderId;

    public Proto.WindowingStrategy WindowingOf(string collectionId) =>
        _descriptor.WindowingStrategies.TryGetValue(Collection(collectionId).WindowingStrategyId, out var strategy)
            ? strategy
            : throw new InvalidDataException($"The bundle descriptor '{_descriptor.Id}' has no windowing strategy for '{collectionId}'.");

    public Coder WindowCoderOf(string collectionId) => Coders.Get(WindowingOf(collectionId).WindowCoderId, null);

    private Proto.PCollection Collection(string id) => _descriptor.Pcollections.TryGetValue(id, out var collection)
        ? collection
        : throw new InvalidDataException($"The bundle descriptor '{_descriptor.Id}' has no collection '{id}'.");

    private void InferTypes()
    {
        Spread();
        foreach (var transform in Transforms.OrderBy(t => t.GuessesLast))
        {
            transform.InferFromCoders(Types);
            Spread();
        }

        void Spread()
        {
            do
            {
                Types.Changed = false;
                foreach (var transform in Transforms) transform.Infer(Types);
            }
            while (Types.Changed);
        }
    }

    private static List<TransformPlan> InOrder(List<TransformPlan> transforms)
    {
        var producers = new Dictionary<string, List<TransformPlan>>();
        foreach (var transform in transforms)
        {
            foreach (var output in transform.Transform.Outputs.Values)
            {
                if (!producers.TryGetValue(output, out var of)) producers.Add(output, of = []);
                of.Add(transform);
            }
        }

        var ordered = new List<TransformPlan>(transforms.Count);
        var waiting = transforms.ToDictionary(
            t => t, t => t.MainInputs.SelectMany(i => producers.GetValueOrDefault(i) ?? []).Distinct().ToHashSet());
        while (waiting.Count != 0)
        {
            var next = transforms.FirstOrDefault(t => waiting.TryGetValue(t, out var on) && on.Count == 0)
                ?? throw new InvalidDataException($"The transforms of the bundle form a circle: {string.Join(", ", waiting.Keys.Select(t => $"'{t.Transform.UniqueName}'"))}.");
            waiting.Remove(next);
            ordered.Add(next);
            foreach (var on in waiting.Values) on.Remove(next);
        }

        return ordered;
    }
}
