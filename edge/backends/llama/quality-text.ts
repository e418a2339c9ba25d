/**
 * What a derived variant is compared with its source on, written for this purpose: prose, instructions, dialogue, numbers and code, about
 * 850 tokens. Stored comparisons rest on it: changing it makes them incomparable.
 */
export const QUALITY_TEXT: readonly string[] = [
  `The lighthouse at the end of the breakwater had been automatic for thirty years, but Marta still climbed its stairs every Sunday. She
said that somebody ought to look at the sea with their own eyes. From the gallery she could tell the weather of the next day by the colour
of the horizon, and she was wrong less often than the radio. Her grandfather had kept the lamp before her father did, and both had written
a line in the log book each evening, even when there was nothing to write: wind from the west, visibility good, no ships.`,
  `Soil is not dirt. A handful of it holds more living things than there are people on Earth: bacteria that fix nitrogen from the air, fungi
that carry water to the roots of trees, worms that open channels for the rain. When a field is ploughed too often, these channels collapse,
the rain runs off instead of sinking in, and the best of the soil goes with it. Farmers who leave the stubble of the last harvest standing
lose less water and need less fertiliser, although the change takes three to five years before it pays.`,
  `To change the filter of the pump, first switch the device off and pull the plug. Close both valves. Turn the lid to the left until it
stops, then lift it out; a little water will run out, so keep a cloth at hand. Rinse the filter under warm water, without soap, and check
the rubber ring for cracks. Put everything together in reverse order, open the valves slowly, and look for drops before you switch the
device on again. If the red light blinks twice a second, the lid is not closed.`,
  `"Do you have a table for four, this evening?" she asked. "At what time?" "Half past seven, if you can." The waiter turned a page of his
book. "I can offer you six o'clock or a quarter to nine." They looked at each other. "Then a quarter to nine," said her brother, "and
could we have it by the window?" "I'll do what I can," the waiter said, and wrote down the name.`,
  `In 2019 the town had 18,450 inhabitants, 312 fewer than ten years before. The share of people above the age of 65 rose from 19.4 to 24.1
percent in the same time, and the number of schools fell from seven to five. The council answered with cheaper land for young families, a
bus every twenty minutes, and a fibre network that reached 96 percent of all homes by the end of 2022. Since then the population has grown
again, by 1.2 percent in the first year and 0.8 percent in the second.`,
  `Orders that reach us before 14:00 on a working day leave the warehouse on the same day. Delivery within the country takes two to three
days and costs 4.90; above 50.00 it is free. You may return anything within 30 days, unused and in its packaging, and we refund the price
as soon as the parcel arrives. Batteries, gift cards and goods made to measure are excluded. For larger items, such as bicycles or tents,
please write to us first, so that we can arrange a pick-up.`,
  `def moving_average(values, window):
    """Returns the mean of each run of \`window\` neighbouring values."""
    if window < 1 or window > len(values):
        raise ValueError("window must be between 1 and the number of values")
    total = sum(values[:window])
    result = [total / window]
    for index in range(window, len(values)):
        total += values[index] - values[index - window]
        result.append(total / window)
    return result`,
  `Light from the nearest star needs a little more than four years to reach us; light from the far side of our galaxy, about eighty thousand.
What we see in the sky is therefore never one moment, but a layered past: the Moon as it was a second ago, the Sun as it was eight minutes
ago, a distant cluster as it was when people first painted on the walls of caves. A telescope is a machine for looking back, and the larger
its mirror, the further back it looks.`,
];
